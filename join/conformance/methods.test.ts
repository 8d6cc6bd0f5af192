// Every method of the house against the suite.
import { expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { makePodTokenKey, podTokenJwks, POD_UID, signPodToken } from '#test/kit/pod-tokens.ts';
import { JOIN_METHODS } from '../all.ts';
import { kubernetesMethod } from '../kubernetes/verify.ts';
import { tokenMethod } from '../token/verify.ts';
import { CLUSTER_NAME, describeJoinMethod, NOW, type MethodCase } from './suite.ts';

const key = makePodTokenKey('ec');
const podToken = signPodToken(key, { issuedAt: NOW / 1000 });
const pods = { allow: [{ service_account: 'apps:agent' }] };
const proofOfPod = (token: string) => ({ method: 'kubernetes', token, idToken: new Secret(podToken) });

const CASES: readonly MethodCase[] = [
  {
    method: tokenMethod,
    spec: {},
    proof: (token) => ({ method: 'token', token }),
    secrets: ['e94d68a8a1e5821dbd79d03a960644f0'],
  },
  {
    method: kubernetesMethod,
    spec: { kubernetes: pods },
    proof: proofOfPod,
    reviews: {
      reviewToken: async () => ({
        username: 'system:serviceaccount:apps:agent',
        audiences: [CLUSTER_NAME],
        podName: 'agent-0',
        podUid: POD_UID,
      }),
    },
    secrets: podToken.split('.'),
  },
  {
    method: kubernetesMethod,
    spec: { kubernetes: { ...pods, type: 'static_jwks', static_jwks: { jwks: podTokenJwks(key) } } },
    proof: proofOfPod,
    secrets: podToken.split('.'),
  },
];

for (const about of CASES) describeJoinMethod(about);

test('ok: no method is left out', () => {
  expect(new Set(CASES.map(({ method }) => method))).toEqual(new Set(JOIN_METHODS));
});
