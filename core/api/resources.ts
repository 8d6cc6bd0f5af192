// Calls on resources of any kind. `/v1/resources/<plural>[/<name>]` (GET, PUT, POST, DELETE) is made from the kinds.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

/** Query of a list: one page in the order of names. */
export const listQuery = s.object({
  with_secrets: s.withDefault(s.boolean(), false),
  after: s.optional(s.string()),
  limit: s.withDefault(s.integer({ min: 1, max: 10_000 }), 1000),
});

export const listReply = s.object({
  resources: s.list(s.json(), { max: 10_000 }),
  next: s.optional(s.string()),
});

export const apply = endpoint({
  method: 'POST',
  path: '/v1/apply',
  says: 'Writes and removes several resources at once: all of them, or none.',
  request: s.object({
    /** `create` refuses what exists; `replace` creates or replaces. */
    mode: s.enumOf(['create', 'replace']),
    dry_run: s.withDefault(s.boolean(), false),
    documents: s.list(s.json(), { max: 1000 }),
    remove: s.withDefault(
      s.list(
        s.object({
          kind: s.string(),
          name: s.string(),
          /** CONDITION_FAILED when it changed since. */
          revision: s.optional(s.string({ maxLength: 64 })),
          /** The owner in whose name it is removed; operators must say it. OWNED when it is not the owner. */
          owner: s.optional(s.string({ maxLength: 64 })),
        }),
        { max: 1000 },
      ),
      [],
    ),
  }),
  reply: s.object({
    results: s.list(
      s.object({
        kind: s.string(),
        name: s.string(),
        action: s.enumOf(['created', 'updated', 'unchanged', 'deleted']),
        before: s.optional(s.json()),
        after: s.optional(s.json()),
      }),
    ),
  }),
});

/**
 * Query of `GET /v1/snapshot` and `GET /v1/watch`; both answer with one JSON value per line.
 * A snapshot is `{"resource": …}` lines and ends with `{"revision": "…"}`; without that last line it is incomplete.
 * A watch is `{"revision": "…", "events": [{"type": "put", "resource": …} | {"type": "delete", "kind": …, "name": …}]}`
 * lines; one without events is a sign of life. An error after the start is `{"error": {code, message, …}}`, the last line.
 */
export const watchQuery = s.object({
  /** Names of kinds, comma-separated. */
  kinds: s.string({ minLength: 1, maxLength: 2048 }),
  from: s.optional(s.string({ maxLength: 64 })),
});
