// One command on many servers at a time: each line of output with the name of the server in front, so that none passes
// for another's, and one exit code for all.
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { escapeRisky, oneLine } from '../../format/text.ts';
import type { Sink } from '../../io.ts';
import { openServer } from '../open-server.ts';
import type { Target } from '../targets.ts';
import type { OneSessionOptions } from './one-session.ts';
import { noInput, outletOf, type Outlet } from './local-streams.ts';
import { CONNECTION_FAILED, runSession } from './run-session.ts';

export interface ManyOptions extends Omit<OneSessionOptions, 'server' | 'program' | 'hasNoInput'> {
  readonly targets: readonly Target[];
  readonly command: string;
}

const AT_A_TIME = 32;
const BY_APPLICATION = 11;
const MAX_LINE = 64 * 1024;

/** 0 when the command succeeded everywhere, else the first exit code that is not, in the order of names. */
export async function manySessions(options: ManyOptions): Promise<number> {
  const { targets, io } = options;
  const codes = new Map<Target, number>();
  const waiting = [...targets];
  const worker = async (): Promise<void> => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      codes.set(target, await runOn(target, options));
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_A_TIME, targets.length) }, worker));
  const failed = targets.filter((target) => codes.get(target) !== 0);
  const [first] = failed;
  if (first === undefined) return 0;
  if (targets.length > 1) {
    const list = failed.map((target) => `${target.name} (${codes.get(target)})`).join(', ');
    io.stderr.write(`${oneLine(`failed on ${failed.length} of ${targets.length}: ${list}`)}\n`);
  }
  return codes.get(first) ?? CONNECTION_FAILED;
}

async function runOn(target: Target, options: ManyOptions): Promise<number> {
  const { io, profile, identity, login, settings, command } = options;
  const output = new PrefixOutlet(io.stdout, target.name);
  const errors = new PrefixOutlet(io.stderr, target.name);
  try {
    const connection = await openServer({
      clock: io.clock,
      environment: io.env,
      profile,
      identity,
      server: target.server,
      login,
      timeoutMs: settings.connectMs,
      limits: { keepAliveMs: settings.keepAliveMs, keepAliveCount: settings.keepAliveCount },
      onBanner: (text) => errors.write(Buffer.from(text)),
    });
    try {
      return await runSession(connection, {
        program: { is: 'exec', command },
        env: settings.env,
        wantsAgent: false,
        streams: { input: noInput, output, errors },
        onNote: (text) => errors.write(Buffer.from(`${text}\n`)),
      });
    } finally {
      connection.disconnect(BY_APPLICATION, 'disconnected by user');
    }
  } catch (error) {
    if (!isCode(error)) throw error;
    errors.write(Buffer.from(`${(error as GatehouseError).message}\n`));
    await errors.finish();
    return CONNECTION_FAILED;
  }
}

/** Whole lines, each behind the name. On a terminal they are made safe: one server must not overwrite what another said. */
export class PrefixOutlet implements Outlet {
  onRoom = (): void => {};
  onGone = (): void => {};
  readonly #outlet: Outlet;
  readonly #prefix: string;
  readonly #isTerminal: boolean;
  #rest: Buffer = Buffer.alloc(0);

  constructor(sink: Sink, name: string) {
    this.#outlet = outletOf(sink);
    this.#outlet.onRoom = () => this.onRoom();
    this.#outlet.onGone = () => this.onGone();
    this.#prefix = `[${oneLine(name)}] `;
    this.#isTerminal = sink.isTTY === true;
  }

  write(bytes: Uint8Array): boolean {
    const all = Buffer.concat([this.#rest, bytes]);
    const end = all.lastIndexOf(0x0a) + 1;
    const cut = end === 0 && all.length > MAX_LINE ? all.length : end;
    this.#rest = all.subarray(cut);
    return cut === 0 ? true : this.#put(all.subarray(0, cut));
  }

  finish(): Promise<void> {
    if (this.#rest.length > 0) this.#put(this.#rest);
    this.#rest = Buffer.alloc(0);
    return this.#outlet.finish();
  }

  #put(bytes: Buffer): boolean {
    // Bytes are kept as they are for programs, whatever they mean.
    const text = bytes.toString(this.#isTerminal ? 'utf8' : 'latin1');
    const lines = text.replace(/\n$/, '').split('\n');
    const shown = lines
      .map((line) => this.#prefix + (this.#isTerminal ? escapeRisky(line.replace(/\r$/, '')) : line))
      .join('\n');
    return this.#outlet.write(Buffer.from(`${shown}\n`, this.#isTerminal ? 'utf8' : 'latin1'));
  }
}
