// Pods at the route they call: what callers learn, what the audit log says, and what is counted. Keys are given; reviews
// are values, joining.slow.test.ts has a real API server.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostCertificates } from '#core/api/join.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { KubernetesReviews } from '#join/kubernetes/reviews.ts';
import { callerOf, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makePodTokenKey, podTokenJwks, signPodToken, type PodToken } from '#test/kit/pod-tokens.ts';
import { makeResource } from '#test/kit/state.ts';
import type { Handler } from '../../routes/handler.ts';
import { joiningHandlers } from '../handlers.ts';

const OWN = 'own-token-value';
const key = makePodTokenKey('ec');
const stranger = makePodTokenKey('ec');
let test: TestAuth;
let joinHandler: Handler;
let answer: KubernetesReviews['reviewToken'];

const rules = (kubernetes: object): object => ({
  roles: ['node'],
  join_method: 'kubernetes',
  kubernetes: { allow: [{ service_account: 'apps:agent' }], ...kubernetes },
});

beforeEach(async () => {
  test = await startTestAuth();
  answer = async () => undefined;
  const handlers = joiningHandlers({
    staticTokens: [],
    ownHost: { token: OWN, roles: ['node'], id: () => undefined },
    kubernetes: {
      reviewToken: (token, audience) => answer(token, audience),
      keysOf: () => Promise.reject(new GatehouseError('UNAVAILABLE', 'oidc.internal.example.com is away')),
    },
    clock: test.clock,
  });
  joinHandler = handlers.find(({ endpoint }) => endpoint.path === '/v1/join')!;
  const oidc = { issuer: 'https://oidc.internal.example.com' };
  const tokens = {
    keys: rules({ type: 'static_jwks', static_jwks: { jwks: podTokenJwks(key) } }),
    here: rules({}),
    there: rules({ type: 'oidc', oidc }),
    [OWN]: rules({ type: 'static_jwks', static_jwks: { jwks: podTokenJwks(key) } }),
  };
  await test.state.write(
    Object.entries(tokens).map(([name, spec]) => ({
      do: 'put',
      resource: makeResource('token', name, spec),
    })),
  );
});
afterEach(() => test.close());

const podToken = (about: Partial<PodToken> = {}, by = key): string =>
  signPodToken(by, { issuedAt: test.clock.now() / 1000 - 10, audience: [CLUSTER], ...about });
const join = (more: object = {}, address?: string): Promise<HostCertificates> =>
  joinHandler.handle(
    test.context,
    callerOf(undefined, address),
    {
      method: 'kubernetes',
      token: 'keys',
      id_token: podToken(),
      roles: ['node'],
      node_name: 'agent-0',
      addresses: [],
      ...makeKeyTexts(),
      ...more,
    },
    {},
  ) as Promise<HostCertificates>;
const refusal = (promise: Promise<unknown>): Promise<GatehouseError> =>
  promise.then(
    () => expect.unreachable('accepted'),
    (error: GatehouseError) => error,
  );
const lastJoin = (): unknown => test.events.filter(({ event }) => event === 'instance.join').at(-1);

describe('pods that join', () => {
  it('ok: a pod has an identity of its own; who it was is on record', async () => {
    const made = await join();
    expect(identityOfCertificate(derFromPem(made.tls_certificate))).toMatchObject({ roles: ['node'] });
    expect(lastJoin()).toMatchObject({
      success: true,
      method: 'kubernetes',
      host_id: made.host_id,
      name: 'agent-0',
      reasons: ['token keys', 'service account apps:agent', 'pod agent-0'],
    });
  });

  it('S9 refuses: in the same words as any wrong token, with the reason on record only', async () => {
    const expected = await refusal(
      join({ method: 'token', token: 'guess-guess-guess', id_token: undefined }),
    );
    const cases: [object, string, string[]][] = [
      [{ token: 'nobody-made-it' }, 'unknown', []],
      [{ id_token: undefined }, 'proof', ['token keys', 'it is no token of the accepted form']],
      [{ id_token: podToken({ pod: null }) }, 'proof', ['token keys', 'it is not bound to a pod']],
      [
        { id_token: podToken({ audience: ['x'] }) },
        'proof',
        ['token keys', 'it is for another audience, or for several'],
      ],
      [
        { id_token: podToken({ serviceAccount: 'admin' }) },
        'service account',
        ['token keys', 'service account apps:admin', 'pod agent-0'],
      ],
      [
        { id_token: podToken({}, stranger) },
        'review',
        ['token keys', 'service account apps:agent', 'pod agent-0'],
      ],
      [{ token: 'here' }, 'review', ['token here', 'service account apps:agent', 'pod agent-0']],
      [{ roles: ['auth'] }, 'role', ['token keys']],
    ];
    for (const [more, error, reasons] of cases) {
      const refused = await refusal(join(more));
      expect([refused.code, refused.message, refused.details]).toEqual([
        'BAD_JOIN_TOKEN',
        expected.message,
        {},
      ]);
      expect(lastJoin()).toMatchObject({
        success: false,
        error,
        ...(reasons.length === 0 ? {} : { reasons }),
      });
    }
    expect(test.events.some(({ event }) => event === 'cert.create')).toBe(false);
  });

  it('S8 refuses: the name alone by method token, and a ServiceAccount token as the secret', async () => {
    for (const token of ['keys', 'here', podToken()]) {
      expect((await refusal(join({ method: 'token', token }))).code).toBe('BAD_JOIN_TOKEN');
    }
  });

  it('S18 ok: a token for pods that has the name of the own token vouches for no own machine', async () => {
    expect((await refusal(join({ token: OWN, node_name: 'auth-1' }))).details).toEqual({
      field: 'node_name',
    });
  });

  it('refuses: for now, where nobody answers; the words name no issuer', async () => {
    const issuer = 'https://oidc.internal.example.com';
    const error = await refusal(join({ token: 'there', id_token: podToken({ issuer }) }));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).not.toContain('internal');
    expect(lastJoin()).toMatchObject({ success: false, error: 'UNAVAILABLE' });
  });

  it('S7 S33 ok: refused pods are counted by address, and outages too', async () => {
    for (let i = 0; i < 10; i++) await refusal(join({ id_token: podToken({}, stranger) }));
    const issuer = 'https://oidc.internal.example.com';
    for (let i = 0; i < 10; i++) await refusal(join({ token: 'there', id_token: podToken({ issuer }) }));
    expect((await refusal(join())).code).toBe('LIMIT_EXCEEDED');
    for (let i = 0; i < 30; i++) await join({}, '198.51.100.2');
  });

  it('S16 refuses: a token that is locked, also when that happens during the review', async () => {
    answer = async () => {
      const lock = makeResource('lock', 'l', { target: { join_token: 'here' } });
      await test.state.write([{ do: 'put', resource: lock }]);
      return {
        username: 'system:serviceaccount:apps:agent',
        audiences: [CLUSTER],
        podName: 'agent-0',
        podUid: '6d9b6ee5-90a7-4a2c-8a2b-0c2a4b1a8b11',
      };
    };
    expect((await refusal(join({ token: 'here' }))).code).toBe('BAD_JOIN_TOKEN');
    expect(lastJoin()).toMatchObject({ error: 'locked' });
  });

  it('S36 ok: no proof is in an event or an error', async () => {
    const tokens = [podToken(), podToken({}, stranger), podToken({ serviceAccount: 'admin' })];
    const errors: string[] = [];
    for (const id_token of tokens)
      errors.push(String(await join({ id_token }).catch((error: unknown) => error)));
    const text = JSON.stringify(test.events) + errors.join();
    for (const token of tokens) for (const part of token.split('.')) expect(text).not.toContain(part);
  });
});
