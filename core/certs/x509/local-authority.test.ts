import { X509Certificate } from 'node:crypto';
import { connect, createServer } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { generateKeyPair, privateKeyPem } from './keys.ts';
import { localAuthority, localIssuer, localServer } from './local-authority.ts';
import { certificateToPem } from './pem.ts';

const HOUR_MS = 3_600_000;
const now = Date.now();
const times = { notBefore: now - HOUR_MS, notAfter: now + HOUR_MS };
const authorityKey = generateKeyPair('ecdsa-p256').privateKey;
const serverKey = generateKeyPair('ecdsa-p256').privateKey;
const authority = localAuthority({
  ...times,
  privateKey: authorityKey,
  commonName: 'box',
  domains: ['amazonaws.com'],
});
const issuer = localIssuer(authority, authorityKey);
const serverFor = (dnsName: string): Uint8Array =>
  localServer({ ...times, issuer, privateKey: serverKey, dnsName });

/** What OpenSSL, as a client that trusts the authority, makes of a server that shows a certificate for `name`. */
async function shake(name: string): Promise<string> {
  const server = createServer({
    cert: certificateToPem(serverFor(name)),
    key: privateKeyPem(serverKey).reveal(),
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const socket = connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: name,
    ca: [certificateToPem(authority)],
  });
  try {
    return await new Promise((resolve) => {
      socket.once('secureConnect', () => resolve('taken'));
      socket.once('error', (error) => resolve(error.message));
    });
  } finally {
    socket.destroy();
    server.close();
  }
}

describe('an authority for one machine', () => {
  it('ok: OpenSSL takes what it makes for its domains', async () => {
    expect(await shake('s3.eu-west-1.amazonaws.com')).toBe('taken');
    expect(await shake('amazonaws.com')).toBe('taken');
  });

  it('refuses: OpenSSL takes nothing that it makes for other names', async () => {
    expect(await shake('bank.example.com')).toMatch(/permitted subtree violation/);
    expect(await shake('amazonaws.com.evil.example')).toMatch(/permitted subtree violation/);
  });

  it('ok: it is an authority, and what it makes is none', () => {
    expect(new X509Certificate(authority).ca).toBe(true);
    const made = new X509Certificate(serverFor('sts.amazonaws.com'));
    expect(made.ca).toBe(false);
    expect(made.verify(new X509Certificate(authority).publicKey)).toBe(true);
  });

  it('refuses: the key of another', () => {
    expect(() => localIssuer(authority, serverKey)).toThrow(/not the one/);
  });
});
