// Fuzz target: claims of tokens. Whatever they hold, the answer is a reason, or a pod whose subject is that of its account.
import { isPlainObject } from '#core/schema/check.ts';
import { readPodClaims } from './claims.ts';

const NOW = 1_767_225_600_000;
const AUDIENCE = 'test.example.com';
const good = {
  aud: [AUDIENCE],
  exp: NOW / 1000 + 3600,
  iat: NOW / 1000,
  iss: 'https://kubernetes.default.svc',
  'kubernetes.io': {
    namespace: 'apps',
    pod: { name: 'agent-0', uid: '6d9b6ee5' },
    serviceaccount: { name: 'agent', uid: 'a1' },
  },
  nbf: NOW / 1000,
  sub: 'system:serviceaccount:apps:agent',
};

export const fuzz = {
  name: 'claims of a pod',
  seeds: [new Uint8Array(Buffer.from(JSON.stringify(good)))],
  run(input: Uint8Array): void {
    let claims: unknown;
    try {
      claims = JSON.parse(Buffer.from(input).toString('utf8'));
    } catch {
      return;
    }
    if (!isPlainObject(claims)) return;
    const pod = readPodClaims({ claims }, { now: NOW, audience: AUDIENCE });
    if (typeof pod === 'string') return;
    if (pod.subject !== `system:serviceaccount:${pod.serviceAccount}`) throw new Error('another subject');
    if (JSON.stringify(claims['aud']).replace(/[[\]"]/g, '') !== AUDIENCE)
      throw new Error('another audience');
  },
};
