// A certificate that vouches for itself: what OpenSSL makes of it, and that it is no authority.
import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { generateKeyPair } from './keys.ts';
import { parseX509 } from './parse.ts';
import { selfSignedServer } from './self-signed.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const { privateKey } = generateKeyPair('ecdsa-p256');
const request = {
  privateKey,
  commonName: 'proxy.example.com',
  dnsNames: ['proxy.example.com', 'localhost'],
  ipAddresses: ['127.0.0.1', '::1'],
  notBefore: NOW,
  notAfter: NOW + 86_400_000,
};

test('ok: a server certificate signed by its own key, for its names', () => {
  const certificate = new X509Certificate(selfSignedServer(request));
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkHost('localhost')).toBe('localhost');
  expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
  expect(parseX509(selfSignedServer(request))).toMatchObject({ isCa: false, extKeyUsage: ['serverAuth'] });
});

test('refuses: a name that is none', () => {
  expect(() => selfSignedServer({ ...request, dnsNames: ['a b'] })).toThrow(
    expect.objectContaining({ code: 'BAD_REQUEST' }) as Error,
  );
});
