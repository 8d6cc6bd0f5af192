import { describe, expect, it } from 'vitest';
import { withoutSecrets } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { auditStateKind } from './kind.ts';

describe('audit_state', () => {
  it('ok: the example, whose key vanishes without secrets', () => {
    const [example] = exampleOf('audit-state', auditStateKind);
    expect(JSON.stringify(withoutSecrets(auditStateKind, example as never))).not.toContain('PKCS 8');
    expect(auditStateKind.columns.map((column) => column.value(example as never))).toEqual([
      '1',
      '2026-01-31T15:04:05Z',
    ]);
  });

  it('refuses: a checkpoint without a signature', () => {
    const checkpoints = [{ writer: 'a', seq: 1, hash: 'h', time: '2026-01-31T15:04:05Z' }];
    const document = { kind: 'audit_state', spec: { public_key: 'p', private_key: 'k', checkpoints } };
    expect(problemsOf(auditStateKind, document)).toEqual(['spec.checkpoints[0].signature: is required']);
  });
});
