// The operator as a member of one Gatehouse cluster: finds its auth service, joins it, follows what it has, and begins
// anew when the identity is no longer worth anything (it expired while auth was away, or auth lost it).
//
//   unreachable ──(authority learned, pin right)──> joining ──> connected ──(silent for a while, yet auth answers)───┐
//       ^                                                                                                            │
//       └────────────────────────────────────────────────────────────────────────────────────────────────────────────┘
import type { Api } from '#client/api.ts';
import type { JoinOptions } from '#client/join.ts';
import { backoffMs } from '#client/member/backoff.ts';
import { startMembership, type Membership } from '#client/member/membership.ts';
import { learnAuthorities } from '#client/trust.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Change } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import { clusterNameKind } from '#kinds/cluster-name/kind.ts';
import type { Budget } from './budget.ts';
import { openHouseCopy, type HouseCopy } from './copy.ts';
import { openMemoryStore } from './memory-store.ts';

export type Connection =
  /** `message` says what is the matter, without anything that changes from attempt to attempt. */
  | { readonly state: 'connecting'; readonly message: string }
  | {
      readonly state: 'connected';
      readonly api: Pick<Api, 'call'>;
      readonly copy: HouseCopy;
      /** What the authority is pinned by from now on: belongs in the status of the GatehouseCluster. */
      readonly caPins: readonly string[];
    };

/** How the operator proves itself: what of JoinOptions says so. */
export type Proof = Pick<JoinOptions, 'token' | 'prove'>;

export interface HouseOptions {
  /** `host:port` of auth. */
  readonly address: string;
  /** Of the status of the GatehouseCluster; empty at the first contact, which is taken on trust. */
  readonly caPins: readonly string[];
  readonly proof: Proof;
  readonly nodeName: string;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
  /** Of all houses of the process. */
  readonly budget: Budget;
  /** Each change of what the cluster has … */
  onChange(changes: readonly Change<Resource>[]): void;
  /** … and of the connection. */
  onState(): void;
}

const BACKOFF = { firstMs: 500, maxMs: 5_000 };
const LOOK_MS = 5_000;
/** Three signs of life, and time to connect again. */
const SILENCE_MS = 45_000;
/** To strangers, after which its silence to the operator is no accident. */
const ENOUGH_ANSWERS = 3;

export class House {
  readonly #options: HouseOptions;
  readonly #closing = new AbortController();
  readonly #running: Promise<void>;
  #pins: readonly string[];
  #connection: Connection = { state: 'connecting', message: 'the auth service was not reached yet' };

  /** Starts at once; the caller closes it. */
  constructor(options: HouseOptions) {
    this.#options = options;
    this.#pins = options.caPins;
    this.#running = this.#run();
  }

  connection(): Connection {
    return this.#connection;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, log, address } = this.#options;
    const { signal } = this.#closing;
    for (let failures = 1; !signal.aborted; failures++) {
      try {
        await this.#findAuth();
        await this.#stay(() => (failures = 0));
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error, address }, 'no connection to the auth service of a cluster');
        this.#become({ state: 'connecting', message: messageOf(error, address) });
      }
      await sleep(clock, backoffMs(BACKOFF, Math.max(1, failures)), signal).catch(() => {});
    }
  }

  /** Of who answers there for the first time, the authority is kept, and nobody else is taken after that. */
  async #findAuth(): Promise<void> {
    const authorities = await learnAuthorities(this.#options.address, this.#pins);
    if (this.#pins.length > 0) return;
    this.#pins = authorities.map((pem) => caPin(derFromPem(pem)));
    this.#options.log.info({ caPins: this.#pins }, 'first contact with the auth service of a cluster');
  }

  async #stay(connected: () => void): Promise<void> {
    const { address, proof, nodeName, clock, log } = this.#options;
    const membership = startMembership({
      ...proof,
      store: openMemoryStore(),
      authServers: [address],
      caPins: this.#pins,
      roles: ['operator'],
      nodeName,
      addresses: [],
      clock,
      log,
    });
    try {
      await this.#unlessClosed(membership.joined);
      await this.#follow(membership, connected);
    } finally {
      await membership.close();
    }
  }

  async #follow(membership: Membership, connected: () => void): Promise<void> {
    const { kinds, clock, log, budget, onChange } = this.#options;
    const copy = openHouseCopy({
      // A renewed identity has another connection.
      api: { stream: (path, signal) => membership.api().stream(path, signal) },
      kinds,
      clock,
      log,
      budget,
      onChange: (changes) => {
        this.#followPins(copy.caPins());
        onChange(changes);
      },
    });
    try {
      await this.#unlessClosed(copy.ready);
      connected();
      const call: Api['call'] = (...request) => membership.api().call(...request);
      await this.#whileTaken(membership, copy, () =>
        this.#become({ state: 'connected', api: { call }, copy, caPins: this.#pins }),
      );
    } finally {
      await copy.close();
    }
  }

  /** Rejects when auth answers to strangers, but stays silent to this identity; waits for it while it is away. */
  async #whileTaken(membership: Membership, copy: HouseCopy, connected: () => void): Promise<void> {
    const { clock, address } = this.#options;
    connected();
    for (let answers = 0; answers < ENOUGH_ANSWERS;) {
      await sleep(clock, LOOK_MS, this.#closing.signal);
      copy.requireBounded();
      if (clock.now() - (copy.heardAt() ?? 0) < SILENCE_MS) {
        answers = 0;
        if (this.#connection.state === 'connecting') connected();
        continue;
      }
      try {
        await this.#findAuth();
        await requireUnlocked(membership);
        answers++;
      } catch (error) {
        if (!isCode(error, 'UNAVAILABLE', 'LOCKED')) throw error;
        answers = 0;
        this.#become({ state: 'connecting', message: messageOf(error, address) });
      }
    }
    throw new GatehouseError('UNAVAILABLE', 'the auth service takes the identity of the operator no more');
  }

  #followPins(pins: readonly string[]): void {
    if (pins.length === 0 || pins.join() === this.#pins.join()) return;
    this.#pins = pins;
    if (this.#connection.state === 'connected') this.#become({ ...this.#connection, caPins: pins });
  }

  #become(connection: Connection): void {
    const { state } = this.#connection;
    const isSame =
      state === 'connecting' && connection.state === state && connection.message === this.#connection.message;
    this.#connection = connection;
    if (!isSame) this.#options.onState();
  }

  #unlessClosed(wait: Promise<void>): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason as Error);
      if (signal.aborted) stop();
      signal.addEventListener('abort', stop, { once: true });
      wait.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
    });
  }
}

/** LOCKED when an admin shut this identity out: another one would go round the lock. */
async function requireUnlocked(membership: Membership): Promise<void> {
  await membership
    .api()
    .get(clusterNameKind, 'cluster-name')
    .catch((error: unknown) => {
      if (isCode(error, 'LOCKED')) throw error;
    });
}

function messageOf(error: unknown, address: string): string {
  if (isCode(error, 'CA_PIN_MISMATCH', 'TOO_LARGE')) return error.message;
  if (isCode(error, 'LOCKED')) return `a lock is in force on the operator at the auth service ${address}`;
  if (isCode(error, 'BAD_JOIN_TOKEN', 'ACCESS_DENIED')) {
    return `the auth service at ${address} does not let the operator join; see its log`;
  }
  return `the auth service at ${address} is not reached`;
}
