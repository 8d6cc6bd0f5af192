// Which events were told already, so that a host may repeat a call whose answer was lost. After a restart the newest
// events of the log are read once: what was on its way when auth went down is among them.
import { isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { AuditLog } from '#events/audit-log.ts';

const REMEMBERED = 50_000;
const PAGE = 10_000;

export class KnownEvents {
  readonly #audit: Pick<AuditLog, 'search'>;
  readonly #log: Log;
  readonly #uids = new Set<string>();
  #reading: Promise<void> | undefined;

  constructor({ audit, log }: { readonly audit: Pick<AuditLog, 'search'>; readonly log: Log }) {
    this.#audit = audit;
    this.#log = log;
  }

  /** Resolves when those of before the start are known. Throws what the log throws; then it is tried again. */
  async ready(): Promise<void> {
    this.#reading ??= this.#read().catch((error: unknown) => {
      this.#reading = undefined;
      throw error;
    });
    await this.#reading;
  }

  has(uid: string): boolean {
    return this.#uids.has(uid);
  }

  add(uid: string): void {
    this.#uids.add(uid);
    if (this.#uids.size <= REMEMBERED) return;
    const [oldest] = this.#uids;
    if (oldest !== undefined) this.#uids.delete(oldest);
  }

  async #read(): Promise<void> {
    const found: string[] = [];
    let cursor: string | undefined;
    let left = REMEMBERED;
    try {
      do {
        const query = { from: 0, to: Number.MAX_SAFE_INTEGER, limit: PAGE, order: 'desc', cursor } as const;
        const page = await this.#audit.search(query);
        for (const event of page.events) if (event.reported_by !== undefined) found.push(event.uid);
        left -= page.events.length;
        cursor = page.next;
      } while (cursor !== undefined && left > 0);
    } catch (error) {
      if (!isCode(error, 'NOT_SUPPORTED')) throw error;
      this.#log.warn(
        {},
        'the first audit sink cannot be searched: an event that a host sends again after a restart is kept twice, with one uid',
      );
    }
    for (const uid of found.toReversed()) this.add(uid);
  }
}

/** One memory per log: of the server that asks. */
export function knownEvents(): (context: { readonly audit: AuditLog; readonly log: Log }) => KnownEvents {
  const known = new WeakMap<AuditLog, KnownEvents>();
  return ({ audit, log }) => {
    const found = known.get(audit) ?? new KnownEvents({ audit, log });
    known.set(audit, found);
    return found;
  };
}
