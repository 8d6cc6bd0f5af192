// Every rule twice: a hand-made certificate that breaks it is refused when read, and it is refused to issue it.
import { describe, expect, test } from 'vitest';
import {
  craftSshCertificate,
  HOUR,
  makeKeys,
  makeSshAuthority,
  makeSshKey,
  NOW,
  refusalOf,
} from '#test/kit/certs.ts';
import type { SshFields } from '#test/kit/certs.ts';
import { parseSshCertificate } from './certificate.ts';
import { issueSshCertificate, sshAuthority, type SshCertificateRequest } from './issue.ts';
import { parsePublicKey, publicKeyFromKeyObject, type SshPublicKey } from './public-key.ts';
import { WireWriter } from './wire.ts';

const authority = makeSshAuthority();
const keys = makeKeys();
const good: SshCertificateRequest = {
  subject: makeSshKey(),
  type: 'user',
  keyId: 'joe',
  principals: ['root', 'joe'],
  validAfter: NOW - 60_000,
  validBefore: NOW + HOUR,
  criticalOptions: { 'source-address': '10.0.0.0/8,::1', 'force-command': 'uptime -p' },
  extensions: { 'permit-pty': '', 'permit-X11-forwarding': '', 'roles@gatehouse.dev': '["dev","ops"]' },
  authority,
};
const parsed = (fields: Partial<SshFields>): string =>
  refusalOf(() => parseSshCertificate(craftSshCertificate(authority, fields)));
const issued = (change: Partial<SshCertificateRequest>): string =>
  refusalOf(() => issueSshCertificate({ ...good, ...change }));

describe('issuing and reading', () => {
  test('ok: what was put in is read back', () => {
    const read = parseSshCertificate(issueSshCertificate({ ...good, serial: 2n ** 64n - 1n }));
    expect(read).toMatchObject({
      algorithm: 'ssh-ed25519-cert-v01@openssh.com',
      type: 'user',
      keyId: 'joe',
      principals: ['root', 'joe'],
      serial: 2n ** 64n - 1n,
      validAfter: NOW - 60_000,
      validBefore: NOW + HOUR,
      signatureAlgorithm: 'ssh-ed25519',
    });
    expect([...read.criticalOptions]).toEqual([
      ['force-command', 'uptime -p'],
      ['source-address', '10.0.0.0/8,::1'],
    ]);
    expect([...read.extensions]).toEqual([
      ['permit-X11-forwarding', ''],
      ['permit-pty', ''],
      ['roles@gatehouse.dev', '["dev","ops"]'],
    ]);
    expect(read.subject.blob).toEqual(good.subject.blob);
    expect(read.authority.blob).toEqual(authority.publicKey.blob);
  });

  test('ok: the crafted certificate is good as it is', () => expect(parsed({})).toBe('accepted'));

  test('ok: serials and nonces differ, times are cut to seconds', () => {
    const make = (): Uint8Array =>
      issueSshCertificate({ ...good, validAfter: NOW + 999, validBefore: NOW + 1999 });
    const [one, other] = [parseSshCertificate(make()), parseSshCertificate(make())];
    expect(one.serial).not.toBe(other.serial);
    expect(one.signed.subarray(36, 68)).not.toEqual(other.signed.subarray(36, 68));
    expect([one.validAfter, one.validBefore]).toEqual([NOW, NOW + 1000]);
  });

  test.each(Object.entries(keys))('ok: %s as subject and as authority', (_, key) => {
    const own = sshAuthority(key);
    const read = parseSshCertificate(
      issueSshCertificate({ ...good, subject: own.publicKey, authority: own }),
    );
    expect(read.subject.blob).toEqual(read.authority.blob);
    expect(read.signatureAlgorithm).not.toBe('ssh-rsa');
  });
});

describe('S3 principals', () => {
  const bad: readonly [string, readonly string[]][] = [
    ['no principal', []],
    ['empty principal', ['']],
    ['comma', ['root,joe']],
    ['only a comma', [',']],
    ['space in front', [' root']],
    ['space behind', ['root ']],
    ['space inside', ['ro ot']],
    ['tab', ['ro\tot']],
    ['NUL', ['root\0']],
    ['line break', ['root\n']],
    ['escape character', ['\u001b[2J']],
    ['delete character', ['root\u007f']],
    ['unicode letter', ['rööt']],
    ['cyrillic look-alike', ['rооt']],
    ['no-break space', ['root\u00a0']],
    ['bidi override', ['ro\u202eot']],
    ['zero width', ['ro\u200bot']],
    ['pattern *', ['*']],
    ['pattern ?', ['roo?']],
    ['negation', ['!root']],
    ['the same twice', ['root', 'root']],
    ['more than 1 KiB', ['a'.repeat(1025)]],
    ['more than 256', Array.from({ length: 257 }, (_, i) => `p${i}`)],
  ];
  test.each(bad)('S3 %s in principals is refused both sides', (_, principals) => {
    expect(issued({ principals })).toBe('BAD_REQUEST principals');
    expect(issued({ principals, type: 'host', criticalOptions: {}, extensions: {} })).toBe(
      'BAD_REQUEST principals',
    );
    expect(parsed({ principals })).toMatch(/^CERTIFICATE_INVALID (principals|too-large)$/);
    expect(parsed({ principals, type: 2 })).toMatch(/^CERTIFICATE_INVALID (principals|too-large)$/);
  });

  test('S3 a principal that is not UTF-8 is refused', () => {
    expect(parsed({ principals: [Uint8Array.of(0x72, 0xff)] })).toBe('CERTIFICATE_INVALID malformed');
  });

  test('ok: what logins and hosts look like', () => {
    const principals = [
      'root',
      'DOMAIN\\joe',
      'joe@EXAMPLE.COM',
      'web-1.example.com',
      '10.0.0.1',
      '2001:db8::1',
      '-x',
    ];
    expect(issued({ principals })).toBe('accepted');
    expect(parsed({ principals })).toBe('accepted');
    expect(issued({ principals: ['a'.repeat(1024)] })).toBe('accepted');
  });
});

describe('S1 a certificate as a key', () => {
  /** Certificates whose authority is a certificate, `depth` times. */
  const nested = (type: number, depth: number): Uint8Array => {
    let blob = craftSshCertificate(authority, { type });
    for (let i = 0; i < depth; i++) blob = craftSshCertificate(authority, { type, authorityBlob: blob });
    return blob;
  };
  test.each([1, 2].flatMap((type) => [1, 2, 3].map((depth) => [type, depth])))(
    'S1 type %d: an authority that is a certificate, depth %d, is refused when read',
    (type, depth) => {
      expect(refusalOf(() => parseSshCertificate(nested(type, depth)))).toBe(
        'CERTIFICATE_INVALID authority-is-certificate',
      );
    },
  );

  const dressed = (blob: Uint8Array, algorithm: string): SshPublicKey =>
    ({ ...good.subject, blob, algorithm }) as SshPublicKey;
  test.each([1, 2, 3])(
    'S1 issuing with an authority key or subject that is a certificate, depth %d, is refused',
    (depth) => {
      for (const type of ['user', 'host'] as const) {
        const blob = nested(type === 'user' ? 1 : 2, depth - 1);
        for (const algorithm of ['ssh-ed25519', 'ssh-ed25519-cert-v01@openssh.com']) {
          const key = dressed(blob, algorithm);
          expect(issued({ subject: key })).toBe('BAD_REQUEST key-is-certificate');
          expect(issued({ authority: { ...authority, publicKey: key } })).toBe(
            'BAD_REQUEST authority-is-certificate',
          );
        }
        expect(refusalOf(() => parsePublicKey(blob))).toBe('BAD_REQUEST key-is-certificate');
      }
    },
  );

  test('S1 a certificate of a certificate type is refused', () => {
    const twice = 'ssh-ed25519-cert-v01@openssh.com-cert-v01@openssh.com';
    expect(parsed({ algorithm: twice })).toBe('CERTIFICATE_INVALID key-is-certificate');
  });
});

describe('options', () => {
  test.each<[string, Partial<SshFields>, string]>([
    ['an unknown critical option', { criticalOptions: [['no-such-option', 'x']] }, 'unknown-critical-option'],
    [
      'verify-required, which is for FIDO keys',
      { criticalOptions: [['verify-required', '']] },
      'unknown-critical-option',
    ],
    [
      'a critical option for a host',
      { type: 2, criticalOptions: [['force-command', 'x']] },
      'unknown-critical-option',
    ],
    [
      'source-address that is no list of networks',
      { criticalOptions: [['source-address', '10.0.0.0/8,x']] },
      'source-address',
    ],
    [
      'source-address with host bits',
      { criticalOptions: [['source-address', '10.0.0.1/8']] },
      'source-address',
    ],
    ['source-address empty', { criticalOptions: [['source-address', '']] }, 'source-address'],
    ['force-command empty', { criticalOptions: [['force-command', '']] }, 'option'],
    ['force-command with NUL', { criticalOptions: [['force-command', 'a\0b']] }, 'option'],
    [
      'options out of order',
      {
        extensions: [
          ['permit-pty', ''],
          ['permit-X11-forwarding', ''],
        ],
      },
      'options-order',
    ],
    [
      'an option twice',
      {
        extensions: [
          ['permit-pty', ''],
          ['permit-pty', ''],
        ],
      },
      'options-order',
    ],
    [
      'a critical option twice',
      {
        criticalOptions: [
          ['force-command', 'a'],
          ['force-command', 'b'],
        ],
      },
      'options-order',
    ],
    ['an option without name', { extensions: [['', '']] }, 'options-order'],
    ['an option name with a space', { extensions: [['a b', '']] }, 'option'],
    ['a value for permit-pty', { extensions: [['permit-pty', 'x']] }, 'option'],
    ['a value that is not a string', { extensions: [['x@y', Uint8Array.of(1)]] }, 'malformed'],
    [
      'a value with bytes after it',
      { extensions: [['x@y', Uint8Array.of(0, 0, 0, 0, 1)]] },
      'trailing-bytes',
    ],
    ['a value that is not UTF-8', { extensions: [['x@y', Uint8Array.of(0, 0, 0, 1, 0xff)]] }, 'malformed'],
    ['S33 a value above 16 KiB', { extensions: [['x@y', 'x'.repeat(16_385)]] }, 'too-large'],
    [
      'S33 more than 64 options',
      { extensions: Array.from({ length: 65 }, (_, i) => [`x${100 + i}@y`, '']) },
      'option',
    ],
  ])('refuses to read: %s', (_, fields, reason) => {
    expect(parsed(fields)).toBe(`CERTIFICATE_INVALID ${reason}`);
  });

  test.each<[string, Partial<SshCertificateRequest>, string]>([
    ['an unknown critical option', { criticalOptions: { other: 'x' } }, 'unknown-critical-option'],
    ['a critical option for a host', { type: 'host', extensions: {} }, 'unknown-critical-option'],
    ['source-address that is no list', { criticalOptions: { 'source-address': 'x' } }, 'source-address'],
    [
      '65 networks',
      { criticalOptions: { 'source-address': Array(65).fill('::1').join(',') } },
      'source-address',
    ],
    ['force-command with NUL', { criticalOptions: { 'force-command': '\0' } }, 'option'],
    ['a value for permit-pty', { extensions: { 'permit-pty': 'x' } }, 'option'],
    ['an unknown extension without domain', { extensions: { 'permit-everything': '' } }, 'extension'],
    ['a permit for a host', { type: 'host', criticalOptions: {} }, 'extension'],
    ['a bad option name', { extensions: { 'a b@c': '' } }, 'option'],
    ['S33 a value above 16 KiB', { extensions: { 'x@y': 'x'.repeat(16_385) } }, 'too-large'],
  ])('refuses to issue: %s', (_, change, reason) => {
    expect(issued(change)).toBe(`BAD_REQUEST ${reason}`);
  });
});

describe('other fields', () => {
  test.each<[string, Partial<SshFields>, string]>([
    ['trailing bytes', { trailing: Uint8Array.of(0) }, 'trailing-bytes'],
    ['a reserved field in use', { reserved: Uint8Array.of(1) }, 'too-large'],
    ['an unknown type of certificate', { type: 3 }, 'wrong-type'],
    ['a key id with a line break', { keyId: 'joe\nroot' }, 'key-id'],
    ['a key id with a bidi override', { keyId: 'jo\u202ee' }, 'key-id'],
    ['an empty key id', { keyId: '' }, 'key-id'],
    ['a key id above 1 KiB', { keyId: 'x'.repeat(1025) }, 'too-large'],
    ['a key id that is not UTF-8', { keyId: Uint8Array.of(0xc3) }, 'malformed'],
    ['a validity that ends before it begins', { validAfter: 10n, validBefore: 9n }, 'validity-bounds'],
    ['an empty validity', { validAfter: 9n, validBefore: 9n }, 'validity-bounds'],
    ['a validity for ever', { validBefore: 2n ** 64n - 1n }, 'validity-bounds'],
    ['a validity beyond the year 9999', { validBefore: 253_402_300_800n }, 'validity-bounds'],
    ['a nonce that is too short', { nonce: new Uint8Array(15) }, 'malformed'],
    ['a nonce that is too long', { nonce: new Uint8Array(65) }, 'too-large'],
    ['an unknown certificate type', { algorithm: 'ssh-dss-cert-v01@openssh.com' }, 'unsupported-key'],
    ['a plain key type', { algorithm: 'ssh-ed25519' }, 'unsupported-key'],
    [
      'a subject of small order',
      { keyFields: new WireWriter().string(new Uint8Array(32)).finish() },
      'weak-key',
    ],
    [
      'an authority of small order',
      { authorityBlob: new WireWriter().string('ssh-ed25519').string(new Uint8Array(32)).finish() },
      'weak-key',
    ],
    [
      'a signature of another type than the key',
      { signature: () => new WireWriter().string('rsa-sha2-256').string('x').finish() },
      'signature-algorithm',
    ],
    [
      'a SHA-1 signature',
      {
        authorityBlob: publicKeyFromKeyObject(keys.rsa).blob,
        signature: () => new WireWriter().string('ssh-rsa').string('x').finish(),
      },
      'signature-algorithm',
    ],
    [
      'a signature with trailing bytes',
      { signature: () => new WireWriter().string('ssh-ed25519').string('x').uint32(0).finish() },
      'trailing-bytes',
    ],
    ['S33 more than 64 KiB', { trailing: new Uint8Array(65_536) }, 'too-large'],
  ])('refuses to read: %s', (_, fields, reason) => {
    expect(parsed(fields)).toBe(`CERTIFICATE_INVALID ${reason}`);
  });

  const rsaAuthority = sshAuthority(keys.rsa);
  test.each<[string, Partial<SshCertificateRequest>, string]>([
    ['a key id with a control character', { keyId: 'a\u0007' }, 'key-id'],
    ['a validity that ends before it begins', { validBefore: NOW - HOUR }, 'validity-bounds'],
    ['a validity below one second', { validAfter: NOW, validBefore: NOW + 999 }, 'validity-bounds'],
    ['a time that is no number', { validAfter: Number.NaN }, 'validity-bounds'],
    ['a validity for ever', { validBefore: Infinity }, 'validity-bounds'],
    ['a time before 1970', { validAfter: -1 }, 'validity-bounds'],
    ['a negative serial', { serial: -1n }, 'serial'],
    ['a serial above 64 bits', { serial: 2n ** 64n }, 'serial'],
    [
      'SHA-1 signatures',
      { authority: { ...rsaAuthority, algorithm: 'ssh-rsa' as never } },
      'signature-algorithm',
    ],
    [
      'an algorithm of another key',
      { authority: { ...authority, algorithm: 'rsa-sha2-512' } },
      'signature-algorithm',
    ],
    ['an unknown type', { type: 'admin' as never }, 'wrong-type'],
  ])('refuses to issue: %s', (_, change, reason) => {
    expect(issued(change)).toBe(`BAD_REQUEST ${reason}`);
  });

  test('refuses: an authority made of a public key, or with a wrong algorithm', () => {
    expect(refusalOf(() => sshAuthority(authority.publicKey.key))).toBe('BAD_REQUEST bad-key');
    expect(refusalOf(() => sshAuthority(keys.p256, 'ssh-ed25519'))).toBe('BAD_REQUEST signature-algorithm');
  });

  test('S33 every cut of a certificate is refused', () => {
    const blob = issueSshCertificate(good);
    for (let length = 0; length < blob.length; length++) {
      expect(refusalOf(() => parseSshCertificate(blob.subarray(0, length)))).toMatch(/^CERTIFICATE_INVALID /);
    }
  });
});
