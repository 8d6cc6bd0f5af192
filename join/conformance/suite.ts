// What every join method must do, whatever its proof is. A new method gives one value of MethodCase and runs it in
// methods.test.ts.
import { describe, expect, it } from 'vitest';
import type { SystemRole } from '#core/identity.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { tokenKind, type TokenSpec } from '#kinds/token/kind.ts';
import type { JoinContext, JoinMethod, JoinProof, JoinVerdict } from '../method.ts';

export interface MethodCase {
  readonly method: JoinMethod;
  /** `spec` of a token that lets `proof` in, but for its roles. */
  readonly spec: object;
  /** Good for the token of this name at NOW. */
  proof(tokenName: string): JoinProof;
  /** What others answer, if they are asked. */
  readonly reviews?: Partial<JoinContext['kubernetes']>;
  /** Texts that must never be told. */
  readonly secrets: readonly string[];
}

export const NOW = Date.parse('2026-01-01T00:00:00Z');
export const CLUSTER_NAME = 'test.example.com';
const NAME = 'e94d68a8a1e5821dbd79d03a960644f0';
const away = () => Promise.reject(new GatehouseError('UNAVAILABLE', 'nobody answers'));

export function describeJoinMethod(about: MethodCase): void {
  const { method } = about;
  const token = (spec: object, metadata: object = {}): Resource<TokenSpec> =>
    parseResource(tokenKind, { kind: 'token', metadata: { name: NAME, ...metadata }, spec });
  const rules = { roles: ['node', 'app'], join_method: method.name, ...about.spec };
  const join = async (
    tokens: readonly Resource<TokenSpec>[],
    more: { roles?: readonly SystemRole[]; proof?: Partial<JoinProof>; now?: number } = {},
  ): Promise<JoinVerdict> =>
    await method.verify({ ...about.proof(NAME), ...more.proof }, more.roles ?? ['node'], {
      now: more.now ?? NOW,
      clusterName: CLUSTER_NAME,
      staticTokens: [],
      tokens: () => tokens,
      kubernetes: { reviewToken: away, keysOf: away, ...about.reviews },
    });

  describe(`join method ${method.name}`, () => {
    it('ok: grants what was asked for, one role or all', async () => {
      for (const roles of [['node'], ['node', 'app']] as const) {
        expect(await join([token(rules)], { roles })).toMatchObject({ ok: true, roles });
      }
    });

    it('ok: finds its token among others', async () => {
      const others = Array.from({ length: 20 }, (_, i) => token(rules, { name: `other-token-${i}` }));
      expect(await join([...others, token(rules), ...others])).toMatchObject({ ok: true });
    });

    it('S18 refuses: a part of what was asked for, and nothing', async () => {
      for (const roles of [['auth'], ['node', 'auth'], []] as const) {
        expect(await join([token(rules)], { roles })).toMatchObject({ ok: false, refusal: 'role' });
      }
    });

    it('refuses: a token that is not there, and one that has expired, to the millisecond', async () => {
      expect(await join([])).toMatchObject({ ok: false, refusal: 'unknown' });
      const expires = new Date(NOW + 1000).toISOString();
      expect(await join([token(rules, { expires })])).toMatchObject({ ok: true });
      expect(await join([token(rules, { expires })], { now: NOW + 1000 })).toMatchObject({
        refusal: 'expired',
      });
    });

    it('S8 refuses: a token of another method, in the same words as none', async () => {
      const allow = [{ service_account: 'apps:agent' }];
      const other =
        method.name === 'token'
          ? { roles: ['node'], join_method: 'kubernetes', kubernetes: { allow } }
          : { roles: ['node'], join_method: 'token' };
      expect(await join([token(other)])).toEqual(await join([]));
    });

    it('S8 refuses: an empty name, and a name that is almost right', async () => {
      for (const name of ['', NAME.slice(1), `${NAME} `, NAME.toUpperCase()]) {
        expect(await join([token(rules)], { proof: { token: name } })).toMatchObject({ refusal: 'unknown' });
      }
    });

    it('S36 ok: what is told of an attempt holds no secret', async () => {
      const told = JSON.stringify([
        await join([token(rules)]),
        await join([]),
        await join([token(rules)], { roles: [] }),
      ]);
      for (const secret of about.secrets) expect(told).not.toContain(secret);
    });
  });
}
