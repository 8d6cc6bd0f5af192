// What one Gatehouse cluster has, as its auth service tells: a copy of the mirrored kinds, with an index of owners. What
// is compared, and where drift is seen, without a call.
import type { Api } from '#client/api.ts';
import { FEED_SILENCE_MS, feedKey, openWatchFeed } from '#client/watch.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Kind, Reader } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import { ownerOf } from '#core/owner-mark.ts';
import { startReplica, type Change } from '#core/replica.ts';
import type { Resource } from '#core/resource.ts';
import { certAuthorityKind, type CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import type { Budget } from './budget.ts';

export interface HouseCopy extends Reader {
  /** Resolves with the first snapshot. */
  readonly ready: Promise<void>;
  /** Resources of the kind that carry this owner's mark. */
  owned(kind: string, owner: string): readonly Resource[];
  /** Pins of the host authority, of a rotation under way as well. */
  caPins(): readonly string[];
  /** Resolves when the copy is at the revision; UNAVAILABLE when that takes too long. */
  reached(revision: string): Promise<void>;
  /**
   * TOO_LARGE when auth has told more than there can be in good faith (it may be anybody's, in a cluster of many), or all
   * copies together hold too much and this one the most.
   */
  requireBounded(): void;
  /** Milliseconds since the epoch; undefined before the first word of auth. */
  heardAt(): number | undefined;
  close(): Promise<void>;
}

export interface HouseCopyOptions {
  readonly api: Pick<Api, 'stream'>;
  readonly kinds: readonly Kind[];
  readonly clock: Clock;
  readonly log: Log;
  /** Of all copies of the process. */
  readonly budget: Budget;
  /** After the copy holds the changes. */
  onChange(changes: readonly Change<Resource>[]): void;
}

const BACKOFF = { firstMs: 100, maxMs: 3_000 };
const REACH_MS = 10_000;
/** Of one cluster, as JSON: some hundred thousand users and roles. */
const MAX_BYTES = 128 * 1024 * 1024;

/** Starts at once; the caller closes it. */
export function openHouseCopy(options: HouseCopyOptions): HouseCopy {
  const { api, kinds, clock, log, onChange } = options;
  const owners = new OwnerIndex();
  const size = new Size(options.budget);
  const replica = startReplica<Resource, Resource>({
    feed: openWatchFeed(boundedStreams(api, size), [...kinds, certAuthorityKind as Kind]),
    decode: ({ value }) => value,
    clock,
    log,
    backoff: BACKOFF,
    idleTimeoutMs: FEED_SILENCE_MS,
  });
  replica.onChange((changes) => {
    for (const change of changes) {
      owners.apply(change);
      size.apply(change);
    }
    onChange(changes);
  });
  const get = (kind: string, name: string): Resource | undefined => replica.get(feedKey(kind, name));
  return {
    ready: replica.ready,
    get,
    list: (kind) => replica.list(feedKey(kind, '')),
    owned(kind, owner) {
      const prefix = feedKey(kind, '');
      return owners
        .keysOf(owner)
        .filter((key) => key.startsWith(prefix))
        .map((key) => replica.get(key))
        .filter((found) => found !== undefined);
    },
    caPins: () => pinsOf(get(certAuthorityKind.name, 'host') as Resource<CertAuthoritySpec> | undefined),
    reached: (revision) => replica.reached(revision, REACH_MS),
    requireBounded: () => size.mustFit(),
    heardAt: () => replica.stats.heardAt,
    async close() {
      await replica.close();
      size.close();
    },
  };
}

/** A snapshot is held whole before it is the copy's. */
function boundedStreams(api: Pick<Api, 'stream'>, size: Size): Pick<Api, 'stream'> {
  return {
    async *stream(path, signal) {
      if (!path.startsWith('/v1/snapshot')) return yield* api.stream(path, signal);
      try {
        for await (const line of api.stream(path, signal)) {
          size.arrived(JSON.stringify(line).length);
          size.mustFit();
          yield line;
        }
      } finally {
        size.arrived('nothing');
      }
    },
  };
}

/** What the copy holds, and the snapshot that arrives for it. */
class Size {
  readonly #of = new Map<string, number>();
  readonly #budget: Budget;
  #held = 0;
  #arriving = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  apply(change: Change<Resource>): void {
    const size = change.type === 'put' ? JSON.stringify(change.value).length : 0;
    this.#held += size - (this.#of.get(change.key) ?? 0);
    if (size === 0) this.#of.delete(change.key);
    else this.#of.set(change.key, size);
    this.#note();
  }

  arrived(bytes: number | 'nothing'): void {
    this.#arriving = bytes === 'nothing' ? 0 : this.#arriving + bytes;
    this.#note();
  }

  mustFit(): void {
    const isLarge = Math.max(this.#held, this.#arriving) > MAX_BYTES;
    if (!isLarge && !this.#budget.mustGiveWay(this)) return;
    throw new GatehouseError(
      'TOO_LARGE',
      isLarge
        ? 'the auth service tells of more resources than the operator can hold'
        : 'the auth services of all clusters tell of more resources than the operator can hold, and this one of most',
    );
  }

  close(): void {
    this.#budget.note(this, 0);
  }

  #note(): void {
    this.#budget.note(this, this.#held + this.#arriving);
  }
}

class OwnerIndex {
  readonly #keys = new Map<string, Set<string>>();

  apply(change: Change<Resource>): void {
    const before = change.before && ownerOf(change.before);
    const after = change.type === 'put' ? ownerOf(change.value) : undefined;
    if (before?.id === after?.id) return;
    if (before !== undefined) this.#drop(before.id, change.key);
    if (after === undefined) return;
    const keys = this.#keys.get(after.id) ?? new Set();
    this.#keys.set(after.id, keys.add(change.key));
  }

  keysOf(owner: string): readonly string[] {
    return [...(this.#keys.get(owner) ?? [])];
  }

  #drop(owner: string, key: string): void {
    const keys = this.#keys.get(owner);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(owner);
  }
}

function pinsOf(authority: Resource<CertAuthoritySpec> | undefined): readonly string[] {
  if (authority === undefined) return [];
  const { active_keys: active, additional_trusted_keys: additional } = authority.spec;
  return [...new Set([...active.tls, ...additional.tls].map(({ cert }) => caPin(derFromPem(cert))))];
}
