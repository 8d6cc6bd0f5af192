// What can be asked of the audit log, the one reading of a query that all sinks share, and the bounds on answers.
import { GatehouseError } from '#core/errors/error.ts';
import type { AuditEvent } from './catalogue.ts';

export interface EventQuery {
  /** Milliseconds since the epoch, inclusive. */
  readonly from: number;
  /** Milliseconds since the epoch, exclusive. */
  readonly to: number;
  /** Event types; all when left out or empty. Unknown types match nothing. */
  readonly types?: readonly string[] | undefined;
  /** Exact user name. */
  readonly user?: string | undefined;
  /** Text that must occur in a value of the event; ASCII letters match in either case. */
  readonly search?: string | undefined;
  /** Page size, 1 to 10,000. A page may hold fewer and still have a `next`: it is bounded in bytes and work too. */
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  /** `next` of the page before, of a query with the same order. */
  readonly cursor?: string | undefined;
}

export interface EventPage {
  readonly events: readonly AuditEvent[];
  /** Set when more may follow. Stays valid while events are added, and when old days are removed. */
  readonly next?: string | undefined;
}

/** An answer stops growing at about this many bytes; a single larger event is still given whole. */
export const MAX_PAGE_BYTES = 4 * 1024 * 1024;

const BOUNDS: readonly (readonly [field: string, rule: string, holds: (query: EventQuery) => boolean])[] = [
  ['from', 'must be a time', ({ from }) => Number.isFinite(from)],
  ['to', 'must be a time', ({ to }) => Number.isFinite(to)],
  ['limit', 'must be a whole number from 1 to 10000', ({ limit }) => isCount(limit, 10_000)],
  ['order', 'must be asc or desc', ({ order }) => order === 'asc' || order === 'desc'],
  ['types', 'may name at most 200 types', ({ types = [] }) => types.length <= 200],
  ['search', 'may have at most 1000 characters', ({ search = '' }) => search.length <= 1000],
  ['user', 'may have at most 1000 characters', ({ user = '' }) => user.length <= 1000],
  ['cursor', 'is not one that this log gave out', ({ cursor = '' }) => cursor.length <= 200],
];

function isCount(value: number, max: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= max;
}

/** BAD_REQUEST with the field named, when the query is out of bounds. */
export function requireQuery(query: EventQuery): void {
  const broken = BOUNDS.find(([, , holds]) => !holds(query));
  if (broken === undefined) return;
  const [field, rule] = broken;
  throw new GatehouseError('BAD_REQUEST', `audit query: ${field} ${rule}`, { details: { field } });
}

export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

/** Whether `event` answers `query`; the one definition, which every index only narrows. */
export function matches(event: AuditEvent, query: EventQuery): boolean {
  const time = Date.parse(event.time);
  if (time < query.from || time >= query.to) return false;
  if (query.types !== undefined && query.types.length > 0 && !query.types.includes(event.event)) return false;
  if (query.user !== undefined && (event as { user?: unknown }).user !== query.user) return false;
  return query.search === undefined || query.search === '' || holds(event, lowerAscii(query.search));
}

function holds(value: unknown, needle: string): boolean {
  if (typeof value === 'string') return lowerAscii(value).includes(needle);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value).includes(needle);
  return (
    typeof value === 'object' && value !== null && Object.values(value).some((item) => holds(item, needle))
  );
}
