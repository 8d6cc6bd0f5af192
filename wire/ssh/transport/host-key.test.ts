import { sign } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { issueSshCertificate } from '#core/certs/ssh/issue.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { signSsh } from '#core/certs/ssh/signature.ts';
import { makeKeys, makeSshAuthority, NOW, HOUR } from '#test/kit/certs.ts';
import { isCode } from '#core/errors/error.ts';
import type { SshKey } from '../ssh.ts';
import { hostKeyAlgorithms, proveHost, requireHostProof } from './host-key.ts';

const keys = makeKeys();
const authority = makeSshAuthority();
const exchange = Buffer.alloc(32, 9);

function certified(privateKey: SshKey['privateKey']): SshKey {
  const certificate = issueSshCertificate({
    subject: publicKeyFromKeyObject(privateKey),
    type: 'host',
    keyId: 'node-1',
    principals: ['node-1'],
    validAfter: NOW,
    validBefore: NOW + HOUR,
    extensions: {},
    authority,
  });
  return { privateKey, certificate };
}

const all: readonly SshKey[] = Object.values(keys).flatMap((privateKey) => [
  certified(privateKey),
  { privateKey },
]);

function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return isCode(error) ? error.code : `another exception: ${String(error)}`;
  }
}

test('ok: a key with a certificate is offered as that alone, an RSA key with both of its hashes', () => {
  expect(
    hostKeyAlgorithms([certified(keys.ed25519), { privateKey: keys.p256 }, certified(keys.rsa)]),
  ).toEqual([
    'ssh-ed25519-cert-v01@openssh.com',
    'ecdsa-sha2-nistp256',
    'rsa-sha2-512-cert-v01@openssh.com',
    'rsa-sha2-256-cert-v01@openssh.com',
  ]);
});

describe.each(hostKeyAlgorithms(all))('%s', (algorithm) => {
  const proof = proveHost(all, algorithm);

  test('ok: is proved and verified', () => {
    expect(refusal(() => requireHostProof(algorithm, proof.blob, exchange, proof.sign(exchange)))).toBe(
      'accepted',
    );
  });

  test('S30 refuses: a signature over another exchange', () => {
    const signature = proof.sign(Buffer.alloc(32, 8));
    expect(refusal(() => requireHostProof(algorithm, proof.blob, exchange, signature))).toBe(
      'CERTIFICATE_INVALID',
    );
  });

  test('S30 refuses: the signature of another key, and a stolen certificate with it', () => {
    const other = makeKeys();
    for (const key of Object.values(other)) {
      for (const name of hostKeyAlgorithms([{ privateKey: key }])) {
        const signature = proveHost([{ privateKey: key }], name).sign(exchange);
        expect(refusal(() => requireHostProof(algorithm, proof.blob, exchange, signature))).toBe(
          'CERTIFICATE_INVALID',
        );
      }
    }
  });

  test('S1 refuses: a key of another type than was agreed on, certificate or not', () => {
    for (const name of hostKeyAlgorithms(all)) {
      const { blob } = proveHost(all, name);
      if (Buffer.from(blob).equals(proof.blob)) continue;
      const outcome = refusal(() => requireHostProof(algorithm, blob, exchange, proof.sign(exchange)));
      expect(['CERTIFICATE_INVALID', 'BAD_REQUEST']).toContain(outcome);
    }
  });
});

test('S31 refuses: the other hash of RSA than was agreed on, and SHA-1', () => {
  const { blob } = proveHost([{ privateKey: keys.rsa }], 'rsa-sha2-512');
  const weaker = signSsh(keys.rsa, 'rsa-sha2-256', exchange);
  expect(refusal(() => requireHostProof('rsa-sha2-512', blob, exchange, weaker))).toBe('CERTIFICATE_INVALID');
  const name = Buffer.from('\0\0\0\x07ssh-rsa\0\0\x01\0', 'latin1');
  const old = Buffer.concat([name, sign('sha1', exchange, keys.rsa)]);
  expect(refusal(() => requireHostProof('rsa-sha2-512', blob, exchange, old))).toBe('CERTIFICATE_INVALID');
  expect(refusal(() => requireHostProof('ssh-rsa', blob, exchange, old))).toBe('NOT_SUPPORTED');
});
