// Pods that may join, and everything that looks like one. Reviews and keys are values here.
import { describe, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import { parseResource } from '#core/kind.ts';
import { parseJwks } from '#core/jwt/jwks.ts';
import { Secret } from '#core/secret.ts';
import { tokenKind } from '#kinds/token/kind.ts';
import { makePodTokenKey, podTokenJwks, POD_UID, signPodToken, type PodToken } from '#test/kit/pod-tokens.ts';
import { JOIN_METHODS } from '../all.ts';
import type { JoinContext, JoinVerdict } from '../method.ts';
import { tokenMethod } from '../token/verify.ts';
import type { KubernetesReviews } from './reviews.ts';
import { kubernetesMethod } from './verify.ts';

const now = Date.parse('2026-01-01T00:00:00Z');
const iat = now / 1000 - 60;
const ISSUER = 'https://oidc.example.com/id/A1';
const key = makePodTokenKey();
const ec = makePodTokenKey('ec');
const stranger = makePodTokenKey();
const allow = [{ service_account: 'apps:agent' }];

const resource = (name: string, kubernetes: object, metadata: object = {}) =>
  parseResource(tokenKind, {
    kind: 'token',
    metadata: { name, ...metadata },
    spec: { roles: ['node', 'app'], join_method: 'kubernetes', kubernetes: { allow, ...kubernetes } },
  });
const tokens = [
  resource('here', {}),
  resource('keys', { type: 'static_jwks', static_jwks: { jwks: podTokenJwks(key, ec) } }),
  resource('there', { type: 'oidc', oidc: { issuer: ISSUER } }),
  resource('other-audience', {
    type: 'static_jwks',
    audience: 'x',
    static_jwks: { jwks: podTokenJwks(key) },
  }),
  resource('stale', {}, { expires: '2025-12-31T23:59:59Z' }),
  parseResource(tokenKind, { kind: 'token', metadata: { name: 'a-secret-name' }, spec: { roles: ['node'] } }),
];

const never: KubernetesReviews = {
  reviewToken: () => expect.unreachable('a review was asked for'),
  keysOf: () => expect.unreachable('keys were asked for'),
};
const context = (kubernetes: Partial<KubernetesReviews> = {}): JoinContext => ({
  now,
  clusterName: 'test.example.com',
  staticTokens: [{ roles: ['node'], token: 'static-secret' }],
  tokens: () => tokens,
  kubernetes: { ...never, ...kubernetes },
});
const made = (about: Partial<PodToken> = {}, by = key): string =>
  signPodToken(by, { issuedAt: iat, ...about });
const join = (
  token: string,
  idToken: string | undefined,
  kubernetes: Partial<KubernetesReviews> = {},
  roles: readonly SystemRole[] = ['node'],
): Promise<JoinVerdict> =>
  Promise.resolve(
    kubernetesMethod.verify(
      { method: 'kubernetes', token, ...(idToken === undefined ? {} : { idToken: new Secret(idToken) }) },
      roles,
      context(kubernetes),
    ),
  );
const review = (more: object = {}): Partial<KubernetesReviews> => ({
  reviewToken: async () => ({
    username: 'system:serviceaccount:apps:agent',
    audiences: ['test.example.com'],
    podName: 'agent-0',
    podUid: POD_UID,
    ...more,
  }),
});
const who = ['service account apps:agent', 'pod agent-0'];

describe('join by ServiceAccount', () => {
  it('ok: vouched for by the API server, which is asked for the right audience', async () => {
    const asked: string[] = [];
    const kubernetes: Partial<KubernetesReviews> = {
      reviewToken: async (token, audience) => {
        asked.push(audience, token.reveal());
        return await review().reviewToken!(token, audience);
      },
    };
    const token = made();
    expect(await join('here', token, kubernetes)).toEqual({
      ok: true,
      roles: ['node'],
      tokenName: 'here',
      who,
    });
    expect(asked).toEqual(['test.example.com', token]);
  });

  it('ok: vouched for by keys that are given, RSA and EC, and by those of an issuer', async () => {
    for (const by of [key, ec]) expect(await join('keys', made({}, by))).toMatchObject({ ok: true, who });
    const asked: unknown[] = [];
    const keysOf: KubernetesReviews['keysOf'] = async ({ issuer }, keyId) => {
      asked.push([issuer, keyId]);
      return parseJwks(podTokenJwks(key));
    };
    expect(await join('there', made({ issuer: ISSUER }), { keysOf })).toMatchObject({ ok: true });
    expect(asked).toEqual([[ISSUER, key.kid]]);
  });

  it('ok: several roles, and another audience where the token says so', async () => {
    expect(await join('keys', made(), {}, ['node', 'app'])).toMatchObject({ roles: ['node', 'app'] });
    expect(await join('other-audience', made({ audience: 'x' }))).toMatchObject({ ok: true });
  });

  it.each<[string, Promise<JoinVerdict>, string]>([
    ['a token that nobody has made', join('nope', made()), 'unknown'],
    ['S8 the name of a token that is a secret', join('a-secret-name', made()), 'unknown'],
    ['S8 a token of the configuration file', join('static-secret', made()), 'unknown'],
    ['one that has expired', join('stale', made()), 'expired'],
    ['S18 a role that it does not give', join('keys', made(), {}, ['node', 'auth']), 'role'],
    ['no role', join('keys', made(), {}, []), 'role'],
    ['S8 no proof: the name alone is none', join('keys', undefined), 'proof'],
    ['an empty proof', join('keys', ''), 'proof'],
    ['the name as proof', join('keys', 'keys'), 'proof'],
  ])('refuses: %s', async (_title, verdict, refusal) => {
    expect(await verdict).toMatchObject({ ok: false, refusal });
  });

  it.each<[string, Partial<PodToken>]>([
    ['S11 the audience of another cluster', { audience: ['other.example.com'] }],
    ['S11 the audience of the API server', { audience: ['https://kubernetes.default.svc'] }],
    ['S20 two audiences: the other one could have kept it', { audience: ['test.example.com', 'x'] }],
    ['no audience', { audience: undefined }],
    ['an audience inside another thing', { audience: [['test.example.com']] }],
    ['one that has expired', { issuedAt: iat - 3600, lifeSeconds: 3600 }],
    ['one that is not good yet', { issuedAt: iat + 600 }],
    ['a later nbf', { claims: { nbf: iat + 600 } }],
    ['an nbf that is no time', { claims: { nbf: 'soon' } }],
    ['one that is good for longer than a day', { lifeSeconds: 86_401 }],
    ['one that is good for ever', { claims: { exp: undefined } }],
    ['one that does not say how old it is', { claims: { iat: undefined } }],
    ['an exp that is no number', { claims: { exp: '9999999999' } }],
    ['an exp beyond all time', { claims: { exp: 1e300 } }],
    ['one that is bound to no pod', { pod: null }],
    [
      'S15 a subject of another account than the claims',
      { claims: { sub: 'system:serviceaccount:apps:admin' } },
    ],
    ['S15 a namespace with a colon', { namespace: 'apps:agent', serviceAccount: 'x' }],
    ['no subject', { claims: { sub: undefined } }],
    ['a person', { claims: { sub: 'joe@example.com', 'kubernetes.io': undefined } }],
    ['S5 claims that are text', { claims: { 'kubernetes.io': 'apps/agent' } }],
  ])('refuses, and asks nobody: %s', async (_title, about) => {
    for (const name of ['here', 'keys', 'there']) {
      const token = made({ issuer: ISSUER, ...about });
      expect(await join(name, token)).toMatchObject({
        ok: false,
        refusal: about.namespace === undefined ? 'proof' : 'service account',
      });
    }
  });

  it.each<[string, Partial<PodToken>]>([
    ['another account', { serviceAccount: 'admin' }],
    ['another namespace', { namespace: 'evil' }],
    ['an account whose name begins the same', { serviceAccount: 'agent2' }],
  ])('refuses, and asks nobody: %s', async (_title, about) => {
    expect(await join('here', made(about))).toMatchObject({ ok: false, refusal: 'service account' });
  });

  it.each<[string, object]>([
    ['another user', { username: 'system:serviceaccount:apps:admin' }],
    ['no audience', { audiences: [] }],
    ['another pod', { podName: 'agent-1' }],
    ['a pod of the same name that was made anew', { podUid: 'other' }],
    ['no pod', { podName: undefined, podUid: undefined }],
  ])('refuses: the API server says %s', async (_title, more) => {
    expect(await join('here', made(), review(more))).toMatchObject({ ok: false, refusal: 'review' });
  });

  it('refuses: what nobody vouches for', async () => {
    const by = made({ issuer: ISSUER }, stranger);
    expect(await join('here', by, { reviewToken: async () => undefined })).toMatchObject({
      refusal: 'review',
    });
    expect(await join('keys', by)).toMatchObject({ refusal: 'review' });
    const keysOf: KubernetesReviews['keysOf'] = async () => parseJwks(podTokenJwks(key));
    expect(await join('there', by, { keysOf })).toMatchObject({ refusal: 'review' });
    const forged = made({ issuer: ISSUER, header: { kid: key.kid } }, stranger);
    expect(await join('there', forged, { keysOf })).toMatchObject({ refusal: 'review' });
  });

  it('S11 refuses: the token of another issuer with the same keys', async () => {
    expect(await join('there', made({ issuer: `${ISSUER}/` }))).toMatchObject({ refusal: 'proof' });
  });

  it('refuses: for now, when nobody answers', async () => {
    const reviewToken = () => Promise.reject(new GatehouseError('UNAVAILABLE', 'away'));
    await expect(join('here', made(), { reviewToken })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('S36 ok: reasons say who it was, and never the token', async () => {
    const token = made({ serviceAccount: 'admin' });
    const verdict = await join('keys', token);
    expect(verdict).toMatchObject({ about: ['token keys', 'service account apps:admin', 'pod agent-0'] });
    expect(JSON.stringify(verdict)).not.toContain(token.slice(0, 30));
  });

  it('S8 refuses: a token for pods as a secret: its name is known to many', () => {
    for (const name of ['here', 'keys', 'there']) {
      const verdict = tokenMethod.verify({ method: 'token', token: name }, ['node'], context());
      expect(verdict).toEqual({ ok: false, refusal: 'unknown' });
    }
  });

  it('ok: both methods are there', () => {
    expect(JOIN_METHODS.map(({ name }) => name)).toEqual(['token', 'kubernetes']);
  });
});
