import { describe, expect, it } from 'vitest';
import { withoutSecrets } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { certAuthorityKeyKind } from './kind.ts';

describe('cert_authority_key', () => {
  it('ok: the example, whose keys vanish without secrets', () => {
    const [example] = exampleOf('cert-authority-key', certAuthorityKeyKind);
    expect(JSON.stringify(example)).toContain('PKCS 8');
    const shown = withoutSecrets(certAuthorityKeyKind, example as never);
    expect(JSON.stringify(shown)).not.toContain('PKCS 8');
    expect(JSON.stringify(shown)).toContain('ssh-ed25519');
  });

  it.each([
    [
      'a name that is not its type',
      { kind: 'cert_authority_key', metadata: { name: 'db' }, spec: { type: 'host', keys: {} } },
      'metadata.name: must be equal to spec.type ("host")',
    ],
    [
      'an unknown algorithm',
      {
        kind: 'cert_authority_key',
        metadata: { name: 'db' },
        spec: { type: 'db', keys: { tls: [{ cert: 'c', key: 'k', algorithm: 'rsa-1024' }] } },
      },
      'spec.keys.tls[0].algorithm: must be one of',
    ],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(certAuthorityKeyKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
