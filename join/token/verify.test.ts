import { describe, expect, it } from 'vitest';
import type { SystemRole } from '#core/identity.ts';
import { parseResource } from '#core/kind.ts';
import { tokenKind } from '#kinds/token/kind.ts';
import type { JoinContext } from '../method.ts';
import { tokenMethod } from './verify.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const dynamic = (name: string, roles: string[], expires?: string) =>
  parseResource(tokenKind, {
    kind: 'token',
    version: 'v2',
    metadata: { name, ...(expires ? { expires } : {}) },
    spec: { roles },
  });

const context: JoinContext = {
  now,
  clusterName: 'test.example.com',
  kubernetes: {
    reviewToken: () => expect.unreachable('asked'),
    keysOf: () => expect.unreachable('asked'),
  },
  staticTokens: [{ roles: ['proxy', 'node'], token: 'static-secret' }],
  tokens: () => [
    dynamic('aaaa-fresh', ['Node'], '2026-01-01T00:05:00Z'),
    dynamic('bbbb-stale', ['Node'], '2025-12-31T23:59:59Z'),
    dynamic('cccc-forever', ['App', 'Db']),
  ],
};

const verify = (token: string, ...roles: SystemRole[]) =>
  tokenMethod.verify({ method: 'token', token }, roles, context);

describe('join by token', () => {
  it.each<[string, string, SystemRole[]]>([
    ['a static token', 'static-secret', ['node']],
    ['both roles of a static token', 'static-secret', ['node', 'proxy']],
    ['a dynamic token before it expires', 'aaaa-fresh', ['node']],
    ['a dynamic token that never expires', 'cccc-forever', ['db']],
  ])('ok: %s', (_name, token, roles) => {
    expect(verify(token, ...roles)).toMatchObject({ ok: true, roles });
  });

  it.each<[string, string, SystemRole[], string]>([
    ['an unknown token', 'nope', ['node'], 'unknown'],
    ['a prefix of a token', 'static-secre', ['node'], 'unknown'],
    ['an empty token', '', ['node'], 'unknown'],
    ['an expired token', 'bbbb-stale', ['node'], 'expired'],
    ['a role the token does not have', 'aaaa-fresh', ['auth'], 'role'],
    ['one role too many', 'aaaa-fresh', ['node', 'proxy'], 'role'],
    ['no role', 'aaaa-fresh', [], 'role'],
  ])('refuses: %s', (_name, token, roles, refusal) => {
    expect(verify(token, ...roles)).toEqual({ ok: false, refusal });
  });
});
