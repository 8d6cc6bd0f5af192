// How hosts tell what happened on them.
import * as s from '../schema/schema.ts';
import { endpoint } from './endpoint.ts';

/** Events of one call, and bytes of its body. */
export const MAX_REPORTED = 500;
export const MAX_REPORT_BYTES = 4 * 1024 * 1024;

export const reportEvents = endpoint({
  method: 'POST',
  path: '/v1/audit/events',
  says: 'Audit events of the host that calls; each has a `uid`, so that a call may be repeated. Answers when they are on stable storage.',
  request: s.object({ events: s.list(s.json(), { max: MAX_REPORTED }) }),
  reply: s.object({
    /** Events that are kept now, those that were known already included. */
    accepted: s.integer(),
    /** Those that will never be taken: not the host's to tell, or not events. */
    refused: s.withDefault(
      s.list(s.object({ index: s.integer(), code: s.string(), message: s.string() }), { max: MAX_REPORTED }),
      [],
    ),
  }),
});
