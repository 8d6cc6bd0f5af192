// Failed logins of a user, for the lock-out. In the store and not in memory, so that several auth servers count
// together and a restart forgets nothing.
import { defineKind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';

const spec = s.object({
  failures: s.withDefault(s.list(s.timestamp(), { max: 100 }), []),
  locked_until: s.optional(s.timestamp()),
});

export type LoginAttemptsSpec = s.Infer<typeof spec>;

export const loginAttemptsKind = defineKind<LoginAttemptsSpec>({
  name: 'login_attempts',
  plural: 'login_attempts',
  audience: 'internal',
  description: 'Recent failed logins of the user of the same name.',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'User', value: (record) => record.metadata.name },
    { title: 'Failures', value: (record) => String(record.spec.failures.length) },
    { title: 'Locked Until', value: (record) => record.spec.locked_until ?? '' },
  ],
});
