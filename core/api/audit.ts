// Calls on the audit log and on the reasons of decisions.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

export const searchEvents = endpoint({
  method: 'GET',
  path: '/v1/audit/events',
  says: 'Events of the audit log in order of time.',
  request: s.object({
    from: s.optional(s.timestamp()),
    to: s.optional(s.timestamp()),
    /** Event types, comma-separated. */
    types: s.optional(s.string({ maxLength: 4096 })),
    user: s.optional(s.string({ maxLength: 253 })),
    search: s.optional(s.string({ maxLength: 1024 })),
    limit: s.withDefault(s.integer({ min: 1, max: 10_000 }), 100),
    order: s.withDefault(s.enumOf(['newest', 'oldest']), 'newest'),
    cursor: s.optional(s.string({ maxLength: 4096 })),
  }),
  reply: s.object({ events: s.list(s.json(), { max: 10_000 }), cursor: s.optional(s.string()) }),
});

export const verifyEvents = endpoint({
  method: 'POST',
  path: '/v1/audit/verify',
  says: 'Checks sequence, hash chain and signed checkpoints of the audit log on the auth server.',
  request: s.object({}),
  reply: s.object({
    ok: s.boolean(),
    events: s.integer(),
    writers: s.integer(),
    findings: s.list(s.object({ finding: s.string(), where: s.string(), message: s.string() })),
  }),
});

const reason = s.object({
  side: s.string(),
  role: s.optional(s.string()),
  field: s.optional(s.string()),
  message: s.string(),
});

export const checkAccess = endpoint({
  method: 'POST',
  path: '/v1/access/check',
  says: 'Would this user be let in, and which role, rule, label or trait decides? (gatectl can-i)',
  request: s.object({
    user: s.string({ minLength: 1, maxLength: 253 }),
    /** `ssh` with target and login, or a verb such as `create` with a kind as target. */
    verb: s.string({ minLength: 1, maxLength: 64 }),
    target: s.string({ minLength: 1, maxLength: 253 }),
    login: s.optional(s.string({ maxLength: 253 })),
  }),
  reply: s.object({ allowed: s.boolean(), reasons: s.list(reason) }),
});

export const explainDenial = endpoint({
  method: 'GET',
  path: '/v1/access/denials/:id',
  says: 'Why a request was refused (gatectl explain).',
  request: s.object({}),
  reply: s.object({
    denial_id: s.string(),
    time: s.timestamp(),
    user: s.string(),
    action: s.string(),
    reasons: s.list(reason),
  }),
});
