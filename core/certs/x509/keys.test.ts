// Keys, PEM and pins: the text forms around certificates.
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { HOUR, makeKeys, NOW, refusalOf } from '#test/kit/certs.ts';
import { Secret } from '#core/secret.ts';
import { requireSoundKey } from '../key-rules.ts';
import { refuseInput } from '../refusal.ts';
import { issueSelfSignedCa } from './issue.ts';
import {
  generateKeyPair,
  generateKeyPairAsync,
  privateKeyFromPem,
  privateKeyPem,
  publicKeyFromPem,
  publicKeyPem,
} from './keys.ts';
import { certificatesFromPem, certificateToPem, derFromPem } from './pem.ts';
import { caPin, isPinned, parsePin } from './pin.ts';

const keys = makeKeys();
const makeCa = (privateKey = keys.p256): Uint8Array =>
  issueSelfSignedCa({ subject: { commonName: 'ca' }, privateKey, notBefore: NOW, notAfter: NOW + HOUR });

describe('keys', () => {
  test.each(['ed25519', 'ecdsa-p256', 'rsa-2048'] as const)(
    'ok: %s is made and goes through PEM',
    async (algorithm) => {
      for (const pair of [generateKeyPair(algorithm), await generateKeyPairAsync(algorithm)]) {
        expect(requireSoundKey(pair.publicKey, refuseInput)).toBe(
          algorithm.startsWith('rsa') ? 'rsa' : algorithm,
        );
        const pem = privateKeyPem(pair.privateKey);
        expect(`${String(pem)} ${JSON.stringify(pem)}`).toBe('[redacted] "[redacted]"');
        expect(pem.reveal()).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
        expect(privateKeyFromPem(pem).equals(pair.privateKey)).toBe(true);
        expect(publicKeyFromPem(publicKeyPem(pair.publicKey)).equals(pair.publicKey)).toBe(true);
      }
    },
  );

  const pem = privateKeyPem(keys.ed25519).reveal();
  const encrypted = keys.ed25519.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  test.each<[string, string, string]>([
    ['nothing', '', 'malformed'],
    ['a damaged key', pem.replace('MC4', 'MC5'), 'malformed'],
    ['an encrypted key', String(encrypted), 'malformed'],
    ['a public key', publicKeyPem(createPublicKey(keys.ed25519)), 'malformed'],
    ['a weak key', String(weak.privateKey.export({ type: 'pkcs8', format: 'pem' })), 'weak-key'],
    ['S33 a long text', 'x'.repeat(40_000), 'too-large'],
  ])('refuses: %s as a private key, and says nothing of it', (_, text, reason) => {
    expect(refusalOf(() => privateKeyFromPem(new Secret(text)))).toBe(`BAD_REQUEST ${reason}`);
  });

  test.each<[string, string, string]>([
    ['a private key', pem, 'malformed'],
    ['a certificate', certificateToPem(makeCa()), 'malformed'],
    ['a damaged key', publicKeyPem(createPublicKey(keys.ed25519)).replace('MC', 'MD'), 'malformed'],
    ['a weak key', publicKeyPem(weak.publicKey), 'weak-key'],
  ])('refuses: %s as a public key', (_, text, reason) => {
    expect(refusalOf(() => publicKeyFromPem(text))).toBe(`BAD_REQUEST ${reason}`);
  });
});

describe('PEM', () => {
  const [one, other] = [makeCa(), makeCa(keys.rsa)];

  test('ok: several certificates, with text and other blocks around', () => {
    const text = `subject=a\n${certificateToPem(one)}\nx\n${privateKeyPem(keys.p256).reveal()}${certificateToPem(other)}`;
    expect(certificatesFromPem(text)).toEqual([one, other]);
    expect(certificatesFromPem(certificateToPem(one).replaceAll('\n', '\r\n'))).toEqual([one]);
    expect(derFromPem(certificateToPem(other))).toEqual(other);
  });

  const good = certificateToPem(one);
  test.each<[string, string, string]>([
    ['no block', 'text', 'malformed'],
    ['another block only', privateKeyPem(keys.p256).reveal(), 'malformed'],
    ['no end', good.replace('-----END CERTIFICATE-----', ''), 'malformed'],
    ['another end', good.replace('END CERTIFICATE', 'END PRIVATE KEY'), 'malformed'],
    ['characters that are not base64', good.replace('MII', 'M*I'), 'malformed'],
    ['base64 that is cut', good.replace(/.\n-----END/, '\n-----END'), 'malformed'],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n', 'malformed'],
    ['a good and a damaged one', good + good.replace('MII', 'M*I'), 'malformed'],
    ['S33 too many', good.repeat(257), 'too-large'],
    ['S33 a long text', ' '.repeat(1024 * 1024 + 1), 'too-large'],
  ])('refuses: %s', (_, text, reason) => {
    expect(refusalOf(() => certificatesFromPem(text))).toBe(`BAD_REQUEST ${reason}`);
  });

  test('refuses: two where one is needed', () => {
    expect(refusalOf(() => derFromPem(good + good))).toBe('BAD_REQUEST malformed');
  });
});

describe('pins', () => {
  test('ok: a pin stays when the certificate is renewed, and differs by key', () => {
    const pin = caPin(makeCa());
    expect(pin).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(caPin(makeCa())).toBe(pin);
    expect(isPinned(pin.toUpperCase().replace('SHA256', 'sha256'), makeCa())).toBe(true);
    expect(isPinned(pin, makeCa(keys.rsa))).toBe(false);
    expect(parsePin(` ${pin}\n`)).toBe(pin);
  });

  test.each([
    '',
    'sha256:',
    `sha256:${'g'.repeat(64)}`,
    `sha256:${'a'.repeat(63)}`,
    `sha1:${'a'.repeat(40)}`,
    'a'.repeat(64),
  ])('refuses: %s', (text) => expect(refusalOf(() => parsePin(text))).toBe('BAD_REQUEST pin'));
});
