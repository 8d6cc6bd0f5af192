import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Secret } from '#core/secret.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { formatIdentityFile, parseIdentityFile, type IdentityFile } from './identity-file.ts';

let house: TestAuth;
let whole: IdentityFile;
beforeAll(async () => {
  house = await startTestAuth();
  whole = {
    privateKey: new Secret(house.admin.privateKey),
    tlsCertificate: house.admin.certificate,
    tlsAuthorities: [house.authority],
    sshCertificate: 'ssh-ed25519-cert-v01@openssh.com AAAA joe',
    knownHosts: ['@cert-authority * ssh-ed25519 AAAA'],
  };
});
afterAll(() => house.close());

describe('an identity file', () => {
  test('ok: is read back as it was written', () => {
    const back = parseIdentityFile(formatIdentityFile(whole));
    expect({ ...back, privateKey: back.privateKey.reveal() }).toEqual({
      ...whole,
      privateKey: whole.privateKey.reveal(),
    });
  });

  test('ok: Windows line ends, and text around it', () => {
    const text = `# for ci\n${formatIdentityFile(whole)}`.replaceAll('\n', '\r\n');
    expect(parseIdentityFile(text).tlsAuthorities).toEqual(whole.tlsAuthorities);
  });

  test.each<[string, () => string, string]>([
    ['no private key', () => house.admin.certificate + house.authority, 'holds no private key'],
    [
      'no authority',
      () => house.admin.privateKey + house.admin.certificate,
      'the authorities of the cluster',
    ],
    [
      'a certificate of another key',
      () => house.admin.privateKey + house.authority + house.admin.certificate,
      'is not for its private key',
    ],
    ['nothing', () => '', 'holds no private key'],
  ])('refuses: %s, without quoting it', (_, text, message) => {
    expect(() => parseIdentityFile(text())).toThrow(message);
    try {
      parseIdentityFile(text());
    } catch (error) {
      expect(JSON.stringify([String(error), error])).not.toContain(house.admin.privateKey.slice(60, 100));
    }
  });
});
