import { describe, expect, it } from 'vitest';
import { hasSecrets } from '#core/schema/redact.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { certAuthorityKind } from './kind.ts';

const authority = (spec: object, name = 'user'): object => ({
  kind: 'cert_authority',
  metadata: { name },
  spec: { type: 'user', cluster_name: 'example.com', active_keys: {}, ...spec },
});

describe('cert_authority', () => {
  it('ok: the example, with its row', () => {
    const [example] = exampleOf('cert-authority', certAuthorityKind);
    expect(certAuthorityKind.columns.map((column) => column.value(example as never))).toEqual([
      'user',
      'staging.example.com',
      'standby',
      'never updated',
    ]);
  });

  it('ok: nothing in it is secret', () => expect(hasSecrets(certAuthorityKind.spec)).toBe(false));

  it.each(['ssh', 'tls'])('S18 a private key among the public %s keys is refused', (side) => {
    const pem = '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEI\n-----END PRIVATE KEY-----';
    const keys = side === 'ssh' ? { ssh: [{ public_key: pem }] } : { tls: [{ cert: pem }] };
    const [problem] = problemsOf(certAuthorityKind, authority({ additional_trusted_keys: keys }));
    expect(problem).toContain('private keys are never part of this resource');
    expect(problem).not.toContain('MC4CAQ');
  });

  it.each([
    [
      'a name that is not its type',
      authority({}, 'host'),
      'metadata.name: must be equal to spec.type ("user")',
    ],
    [
      'an unknown type',
      authority({ type: 'hosts' }),
      'spec.type: must be one of user, host, db, jwt; did you mean "host"?',
    ],
    [
      'an unknown phase',
      authority({ rotation: { phase: 'init_clients' } }),
      'spec.rotation.phase: must be one of',
    ],
    ['SHA-1 signatures', authority({ signing_algo: 'ssh-rsa' }), 'spec.signing_algo: must be one of'],
    [
      'a private key beside the public one',
      authority({ active_keys: { ssh: [{ public_key: 'x', private_key: 'y' }] } }),
      'spec.active_keys.ssh[0].private_key: is not a known field',
    ],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(certAuthorityKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
