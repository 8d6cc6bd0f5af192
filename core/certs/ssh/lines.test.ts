import { describe, expect, test } from 'vitest';
import { craftSshCertificate, makeSshAuthority, makeSshKey, refusalOf } from '#test/kit/certs.ts';
import { parseSshCertificateLine, parseSshCertificate } from './certificate.ts';
import {
  authorizedKeysCertAuthorityLine,
  knownHostsCertAuthorityLine,
  parseAuthorizedKey,
  publicKeyLine,
  sshCertificateLine,
} from './lines.ts';

const key = makeSshKey();
const line = publicKeyLine(key, 'joe@laptop');
const [, base64 = ''] = line.split(' ');

describe('key lines', () => {
  test('ok: written and read back', () => {
    expect(parseAuthorizedKey(`  ${line}\n`)).toMatchObject({
      comment: 'joe@laptop',
      key: { blob: key.blob },
    });
    expect(parseAuthorizedKey(publicKeyLine(key)).comment).toBe('');
    expect(parseAuthorizedKey(`ssh-ed25519\t${base64} a b  c`).comment).toBe('a b c');
  });

  test.each([
    ['nothing', '', 'malformed'],
    ['only a type', 'ssh-ed25519', 'malformed'],
    ['options in front', `command="id" ${line}`, 'malformed'],
    ['two lines', `${line}\n${line}`, 'malformed'],
    ['a NUL', `${line}\0`, 'malformed'],
    ['another type in front', `ssh-rsa ${base64}`, 'malformed'],
    ['base64 without padding', `ssh-ed25519 ${base64.slice(0, -1)}=`, 'malformed'],
    ['base64 with other characters', `ssh-ed25519 ${base64.slice(0, -4)}!!!!`, 'malformed'],
    ['S33 a very long line', `ssh-ed25519 ${'A'.repeat(200_000)}`, 'too-large'],
    ['S33 a long key', `ssh-ed25519 ${'A'.repeat(8000)}`, 'too-large'],
  ])('refuses: %s', (_, text, reason) => {
    expect(refusalOf(() => parseAuthorizedKey(text))).toBe(`BAD_REQUEST ${reason}`);
  });

  test('S1 a certificate line is not a key', () => {
    const certificate = parseSshCertificate(craftSshCertificate(makeSshAuthority()));
    expect(refusalOf(() => parseAuthorizedKey(sshCertificateLine(certificate)))).toBe(
      'BAD_REQUEST key-is-certificate',
    );
  });

  test('refuses: a comment that would begin a second line', () => {
    expect(refusalOf(() => publicKeyLine(key, 'a\nb'))).toBe('BAD_REQUEST malformed');
  });
});

describe('certificate lines', () => {
  const certificate = parseSshCertificate(craftSshCertificate(makeSshAuthority()));

  test('ok: written and read back', () => {
    const read = parseSshCertificateLine(sshCertificateLine(certificate, 'joe'));
    expect(read.blob).toEqual(certificate.blob);
  });

  test('refuses: a plain key, and another type in front', () => {
    expect(refusalOf(() => parseSshCertificateLine(line))).toBe('CERTIFICATE_INVALID unsupported-key');
    const other = sshCertificateLine({ ...certificate, algorithm: 'ssh-rsa-cert-v01@openssh.com' });
    expect(refusalOf(() => parseSshCertificateLine(other))).toBe('CERTIFICATE_INVALID malformed');
  });
});

describe('lines that trust an authority', () => {
  test('ok: known_hosts', () => {
    const made = knownHostsCertAuthorityLine(
      ['*.example.com', '[10.0.0.1]:3022', 'node-1'],
      key,
      'gatehouse',
    );
    expect(made).toBe(`@cert-authority *.example.com,[10.0.0.1]:3022,node-1 ssh-ed25519 ${base64} gatehouse`);
  });

  test.each([[[]], [['']], [['a b']], [['a,b']], [['a\nb']], [['a', 'é']], [['#']]])(
    'refuses: patterns %j',
    (patterns) => {
      expect(refusalOf(() => knownHostsCertAuthorityLine(patterns, key))).toBe('BAD_REQUEST name');
    },
  );

  test('ok: authorized_keys', () => {
    const made = authorizedKeysCertAuthorityLine(key, ['root', 'joe']);
    expect(made).toBe(`cert-authority,principals="root,joe" ssh-ed25519 ${base64}`);
  });

  test.each([[[]], [['']], [['a"']], [['a,b']], [['a\\']], [['a b']], [['a\n']]])(
    'refuses: principals %j',
    (principals) => {
      expect(refusalOf(() => authorizedKeysCertAuthorityLine(key, principals))).toBe(
        'BAD_REQUEST principals',
      );
    },
  );
});
