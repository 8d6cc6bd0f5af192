// An API server as far as agents use it, in memory, with everything that can go wrong on the way to it. What goes wrong
// is decided by whoever opens a client; the server itself is right.
import { GatehouseError } from '#core/errors/error.ts';
import type { KubeSecret, OwnerReference } from '../kube-secret-object.ts';
import type { KubeSecrets } from '../kube-secrets.ts';

export const NAMESPACE = 'agents';
export const OWNER: OwnerReference = {
  apiVersion: 'apps/v1',
  kind: 'StatefulSet',
  name: 'web',
  uid: 'set-1',
};

/** What becomes of a call. */
export type Fate =
  | 'answered'
  /** It failed before it took effect … */
  | 'lost'
  /** … after it, … */
  | 'done, answer lost'
  /** … or takes effect when nobody waits for it any more. */
  | 'done later'
  /** The caller dies: no answer ever. */
  | 'killed before'
  | 'killed after';

type Effect = () => KubeSecret | undefined;

export class SecretWorld {
  readonly #secrets = new Map<string, KubeSecret>();
  #version = 0;
  readonly #late: Effect[] = [];
  /** Told of each change. */
  onChange: (before: KubeSecret | undefined, after: KubeSecret | undefined) => void = () => {};

  get(name: string): KubeSecret | undefined {
    return this.#secrets.get(name);
  }

  create(secret: KubeSecret): KubeSecret {
    if (this.#secrets.has(secret.name)) throw new GatehouseError('ALREADY_EXISTS', 'there is one');
    return this.#put(secret);
  }

  replace(secret: KubeSecret): KubeSecret {
    const stored = this.#secrets.get(secret.name);
    if (stored === undefined) throw new GatehouseError('NOT_FOUND', 'there is none');
    if (secret.resourceVersion !== undefined && secret.resourceVersion !== stored.resourceVersion)
      throw new GatehouseError('CONDITION_FAILED', 'the object has been modified');
    return this.#put(secret);
  }

  remove(name: string): void {
    const before = this.#secrets.get(name);
    this.#secrets.delete(name);
    this.onChange(before, undefined);
  }

  /** As somebody who labels the Secret. */
  touch(name: string): void {
    const stored = this.#secrets.get(name);
    if (stored !== undefined) this.#put({ ...stored, labels: { ...stored.labels, touched: 'yes' } });
  }

  /** The calls that were given up happen now, as far as they still can. */
  landLate(): void {
    for (const effect of this.#late.splice(0)) quietly(effect);
  }

  /** `turn` is awaited before each call and decides its fate; `holder` is the uid of the pod. */
  open(holder: string, turn: (call: string) => Promise<Fate> = async () => 'answered'): KubeSecrets {
    const call = async (what: string, effect: Effect): Promise<KubeSecret | undefined> =>
      await this.#happen(await turn(what), effect);
    const stored = async (what: string, effect: () => KubeSecret): Promise<KubeSecret> =>
      (await call(what, effect)) ?? expectSecret();
    return {
      namespace: NAMESPACE,
      get: (name) => call('get', () => this.get(name)),
      create: (secret) => stored('create', () => this.create(secret)),
      replace: (secret) => stored('replace', () => this.replace(secret)),
      subject: () => Promise.resolve({ podName: 'web-0', podUid: holder }),
      controllerOf: () => Promise.resolve({ ...OWNER }),
    };
  }

  #happen(fate: Fate, effect: Effect): Promise<KubeSecret | undefined> | KubeSecret | undefined {
    switch (fate) {
      case 'answered':
        return effect();
      case 'lost':
        break;
      case 'done, answer lost':
        quietly(effect);
        break;
      case 'done later':
        this.#late.push(effect);
        break;
      case 'killed before':
        return new Promise(() => {});
      case 'killed after':
        quietly(effect);
        return new Promise(() => {});
    }
    throw new GatehouseError('UNAVAILABLE', 'no answer came');
  }

  #put(secret: KubeSecret): KubeSecret {
    const before = this.#secrets.get(secret.name);
    const after = { ...secret, resourceVersion: String(++this.#version) };
    this.#secrets.set(secret.name, after);
    this.onChange(before, after);
    return after;
  }
}

function quietly(effect: Effect): void {
  try {
    effect();
  } catch (error) {
    if (!(error instanceof GatehouseError)) throw error;
  }
}

function expectSecret(): never {
  throw new Error('the model answered a change with nothing');
}
