// Fuzz target: what an API server answers about Secrets and pods, and the token of a ServiceAccount.
import { deepEqual } from 'node:assert/strict';
import { parseJson } from './body.ts';
import { formatSecret, parsePod, parseSecret, parseStatus, readSubject } from './kube-secret-object.ts';

const SECRET = {
  kind: 'Secret',
  metadata: {
    name: 'web-0-state',
    resourceVersion: '7',
    labels: { a: 'b' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'web', uid: 'u', controller: true },
    ],
  },
  data: { format: 'MQ==' },
};
const POD = { kind: 'Pod', metadata: { uid: 'p', ownerReferences: SECRET.metadata.ownerReferences } };
const SUBJECT = JSON.stringify({ 'kubernetes.io': { pod: { name: 'web-0', uid: 'p' } } });

export const fuzz = {
  name: 'client/kube-secret-object',
  seeds: [
    JSON.stringify(SECRET),
    JSON.stringify(POD),
    '{"kind":"Status","message":"secrets \\"a\\" not found"}',
    `e30.${Buffer.from(SUBJECT).toString('base64url')}.c2ln`,
    'null',
  ].map((text) => new TextEncoder().encode(text)),
  run(input: Uint8Array): void {
    const text = new TextDecoder().decode(input);
    const value = parseJson(text);
    const secret = parseSecret(value);
    // What is read and sent back is the same object.
    if (secret !== undefined) deepEqual(parseSecret(formatSecret(secret, 'ns')), secret);
    parsePod(value);
    parseStatus(value);
    readSubject(text);
  },
};
