// Credentials that are kept: until five minutes before they end, bounded, and fetched once for all who wait.
import type { Clock } from '#core/clock.ts';
import type { AwsCredentials } from './credentials.ts';

const EARLY_MS = 5 * 60_000;
/** Keys without end may be replaced on disk: they are read again after this. */
const ENDLESS_MS = 5 * 60_000;
const MOST = 1024;

interface Kept {
  readonly credentials: Promise<AwsCredentials>;
  /** When it is asked for again; Infinity while it is being fetched. */
  until: number;
}

export class CredentialCache {
  readonly #clock: Clock;
  readonly #kept = new Map<string, Kept>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What is kept under `key`, or what `fetch` brings. Failures are not kept. */
  get(key: string, fetch: () => Promise<AwsCredentials>): Promise<AwsCredentials> {
    const known = this.#kept.get(key);
    if (known !== undefined && this.#clock.now() < known.until) return known.credentials;
    this.#kept.delete(key);
    const entry: Kept = { credentials: fetch(), until: Number.POSITIVE_INFINITY };
    this.#kept.set(key, entry);
    this.#dropOldest();
    entry.credentials.then(
      (credentials) => (entry.until = this.#endOf(credentials)),
      () => {
        if (this.#kept.get(key) === entry) this.#kept.delete(key);
      },
    );
    return entry.credentials;
  }

  #endOf({ expires }: AwsCredentials): number {
    return expires === undefined ? this.#clock.now() + ENDLESS_MS : expires - EARLY_MS;
  }

  #dropOldest(): void {
    if (this.#kept.size <= MOST) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }
}
