// What a token of join method `kubernetes` may say; the first checks an admin's mistakes meet.
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { problemsOf } from '#test/kit/resources.ts';
import { shownTokenName, tokenKind } from './kind.ts';

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwks = JSON.stringify({
  keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'a', use: 'sig', alg: 'RS256' }],
});
const privateJwks = JSON.stringify({ keys: [privateKey.export({ format: 'jwk' })] });
const allow = [{ service_account: 'apps:agent' }];
const token = (kubernetes: object | undefined, more: object = {}): object => ({
  kind: 'token',
  metadata: { name: 'k8s' },
  spec: { roles: ['node'], join_method: 'kubernetes', ...(kubernetes && { kubernetes }), ...more },
});

describe('token of join method kubernetes', () => {
  it('ok: in_cluster is the default; a short name is no problem, and it is no secret', () => {
    const { metadata, spec } = parseResource(tokenKind, token({ allow }));
    expect(spec).toEqual({
      roles: ['node'],
      join_method: 'kubernetes',
      kubernetes: { type: 'in_cluster', allow },
    });
    expect(shownTokenName(metadata.name, spec)).toBe('k8s');
    expect(shownTokenName('abcd1234abcd', { join_method: 'token' })).toBe('abc****');
    expect(shownTokenName('abcd1234abcd', undefined)).toBe('abc****');
  });

  it.each([
    ['keys that are given', { type: 'static_jwks', allow, static_jwks: { jwks } }],
    ['an issuer', { type: 'oidc', allow, audience: 'x', oidc: { issuer: 'https://oidc.example.com/id/A1' } }],
    [
      'an issuer over HTTP that is allowed',
      { type: 'oidc', allow, oidc: { issuer: 'http://oidc.example.com', insecure_allow_http_issuer: true } },
    ],
    ['dots in a name', { allow: [{ service_account: 'a-b:sa.one-2' }] }],
  ])('ok: %s', (_title, kubernetes) => {
    expect(problemsOf(tokenKind, token(kubernetes))).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['no rules', token(undefined), 'spec.kubernetes: is required for join_method: kubernetes'],
    ['nobody who may join', token({}), 'spec.kubernetes.allow: must name at least one ServiceAccount'],
    [
      'rules on a secret token',
      { ...token({ allow }, { join_method: 'token' }), metadata: { name: 'secret-token-value' } },
      'spec.kubernetes: is for join_method: kubernetes only',
    ],
    ...['apps:*', '*:agent', 'apps', ':agent', 'apps:', 'Apps:agent', 'a:b:c', 'a/b:c', 'apps: agent'].map(
      (name): [string, object, string] => [
        `the ServiceAccount ${name}`,
        token({ allow: [{ service_account: name }] }),
        'spec.kubernetes.allow[0].service_account: must be "namespace:name"',
      ],
    ),
    [
      'static_jwks without keys',
      token({ type: 'static_jwks', allow }),
      'spec.kubernetes.static_jwks: is required for type static_jwks',
    ],
    ['keys of another type', token({ allow, static_jwks: { jwks } }), 'is for type static_jwks only'],
    [
      'keys that are none',
      token({ type: 'static_jwks', allow, static_jwks: { jwks: '{}' } }),
      'spec.kubernetes.static_jwks.jwks: the keys are no JSON Web Key Set',
    ],
    [
      'S36 a private key',
      token({ type: 'static_jwks', allow, static_jwks: { jwks: privateJwks } }),
      'the keys include a private or symmetric one',
    ],
    [
      'oidc without issuer',
      token({ type: 'oidc', allow }),
      'spec.kubernetes.oidc: is required for type oidc',
    ],
    ...[
      'http://oidc.example.com',
      'file:///etc/passwd',
      'oidc.example.com',
      'https://a@b',
      'https://a/?q=1',
      'https://a\\b',
      'https://a/#x',
    ].map((issuer): [string, object, string] => [
      `S25 the issuer ${issuer}`,
      token({ type: 'oidc', allow, oidc: { issuer } }),
      'spec.kubernetes.oidc.issuer: must',
    ]),
  ])('refuses: %s', (_title, document, message) => {
    expect(problemsOf(tokenKind, document)).toEqual([expect.stringContaining(message)]);
  });
});

it('ok: lists show the method beside the roles', () => {
  const shown = tokenKind.columns.map((column) => column.value(parseResource(tokenKind, token({ allow }))));
  expect(shown).toEqual(['k8s', 'Node (kubernetes)', '', 'never']);
});
