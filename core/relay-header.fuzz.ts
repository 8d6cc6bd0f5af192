// Fuzz target: the line of a proxy, measured and read.
import { issueSshCertificate, sshAuthority } from './certs/ssh/issue.ts';
import { publicKeyFromKeyObject } from './certs/ssh/public-key.ts';
import { generateKeyPair } from './certs/x509/keys.ts';
import { readRelayHeader, relayHeaderLength, SeenRelays, writeRelayHeader } from './relay-header.ts';
import { SSH_IDENTITY_EXTENSION, writeSshIdentity } from './ssh-identity.ts';

const NOW = Date.UTC(2026, 0, 1);
const authority = sshAuthority(generateKeyPair('ed25519').privateKey);
const host = generateKeyPair('ed25519');
const certificate = issueSshCertificate({
  subject: publicKeyFromKeyObject(host.publicKey),
  type: 'host',
  keyId: 'proxy-1',
  principals: ['proxy-1'],
  validAfter: NOW - 60_000,
  validBefore: NOW + 60_000,
  extensions: {
    [SSH_IDENTITY_EXTENSION]: writeSshIdentity({
      kind: 'host',
      cluster: 'example.com',
      host_id: 'proxy-1',
      name: 'proxy-1',
      roles: ['proxy'],
    }),
  },
  authority,
});
const write = (client: string): Uint8Array =>
  writeRelayHeader({ client, target: 'node-1', now: NOW, key: host.privateKey, certificate });

export const fuzz = {
  name: 'relay header',
  seeds: [write('192.0.2.1:50000'), write('[2001:db8::1]:1')],
  run(input: Uint8Array): void {
    const length = relayHeaderLength(input);
    readRelayHeader(typeof length === 'number' ? input.subarray(0, length) : input, {
      target: 'node-1',
      now: NOW,
      authorities: [authority.publicKey],
      clusterName: 'example.com',
      seen: new SeenRelays(),
    });
  },
};
