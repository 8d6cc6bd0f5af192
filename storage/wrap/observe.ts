// Any store, with every call timed and counted: what metrics are made of. Keeps the contract of what it wraps.
import { isCode } from '#core/errors/error.ts';
import type { Code } from '#core/errors/codes.ts';
import type { Backend } from '../backend.ts';

export interface StorageCall {
  readonly call:
    | 'get'
    | 'range'
    | 'create'
    | 'put'
    | 'update'
    | 'delete'
    | 'atomicWrite'
    | 'revision'
    | 'backup';
  readonly durationMs: number;
  /** Undefined when the call succeeded. Conditions that fail are ordinary: ALREADY_EXISTS, NOT_FOUND, CONDITION_FAILED. */
  readonly code: Code | undefined;
}

export interface ObserveOptions {
  /** Called after each call; must not throw. */
  readonly observe: (call: StorageCall) => void;
  /** Milliseconds for measuring durations; default `performance.now`. */
  readonly stopwatch?: () => number;
}

/** Wraps a store; closing the wrapper closes it. Watches are passed on as they are. */
export function observeBackend(backend: Backend, options: ObserveOptions): Backend {
  const { observe, stopwatch = () => performance.now() } = options;
  const timed = async <T>(call: StorageCall['call'], work: () => Promise<T>): Promise<T> => {
    const started = stopwatch();
    let code: Code | undefined;
    try {
      return await work();
    } catch (error) {
      code = isCode(error) ? error.code : 'INTERNAL';
      throw error;
    } finally {
      observe({ call, durationMs: stopwatch() - started, code });
    }
  };
  const backup = backend.backup?.bind(backend);
  return {
    get: (key) => timed('get', () => backend.get(key)),
    range: (query) => timed('range', () => backend.range(query)),
    create: (item) => timed('create', () => backend.create(item)),
    put: (item) => timed('put', () => backend.put(item)),
    update: (item, revision) => timed('update', () => backend.update(item, revision)),
    delete: (key, revision) => timed('delete', () => backend.delete(key, revision)),
    atomicWrite: (steps) => timed('atomicWrite', () => backend.atomicWrite(steps)),
    revision: () => timed('revision', () => backend.revision()),
    watch: (query) => backend.watch(query),
    close: () => backend.close(),
    ...(backup === undefined ? {} : { backup: (path: string) => timed('backup', () => backup(path)) }),
  };
}
