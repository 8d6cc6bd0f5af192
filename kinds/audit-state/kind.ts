// The key that signs the audit log and the newest checkpoint of each writer. It is kept in the cluster store, outside
// the log folder, so that cutting off the end of the log is noticed.
import { defineKind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';

const checkpoint = s.object({
  writer: s.string({ minLength: 1, maxLength: 253 }),
  seq: s.integer(),
  hash: s.string({ minLength: 1, maxLength: 256 }),
  time: s.timestamp(),
  signature: s.string({ minLength: 1, maxLength: 1024 }),
});

const spec = s.object({
  public_key: s.string({ minLength: 1, maxLength: 4096, description: 'PEM.' }),
  private_key: s.string({ minLength: 1, maxLength: 4096, secret: true, description: 'PKCS #8, PEM.' }),
  checkpoints: s.withDefault(s.list(checkpoint, { max: 1000 }), []),
});

export type AuditStateSpec = s.Infer<typeof spec>;

export const auditStateKind = defineKind<AuditStateSpec>({
  name: 'audit_state',
  audience: 'internal',
  description: 'The signing key and the newest checkpoints of the audit log.',
  versions: ['v1'],
  singleton: 'audit-state',
  spec,
  columns: [
    { title: 'Writers', value: (record) => String(record.spec.checkpoints.length) },
    {
      title: 'Newest',
      value: (record) =>
        record.spec.checkpoints
          .map((point) => point.time)
          .sort()
          .at(-1) ?? '',
    },
  ],
});
