import { describe, expect, test } from 'vitest';
import { craftX509, makeKeys, rawDer, refusalOf } from '#test/kit/certs.ts';
import { derString, TAG } from './der.ts';
import { derExtension } from './extensions.ts';
import {
  decodeIdentity,
  encodeIdentity,
  IDENTITY_OID,
  identityExtension,
  identityOfCertificate,
  MAX_IDENTITY_BYTES,
} from './identity.ts';
import { derOid } from './oid.ts';

const value = (text: string): Uint8Array => derString(TAG.utf8String, text);
const key = makeKeys().p256;

describe('identities', () => {
  const identity = {
    kind: 'user',
    name: 'jöe',
    roles: ['dev'],
    traits: { logins: ['root'], '1': [] },
    n: 1.5,
    x: null,
    b: false,
  };

  test('ok: written and read back, with its version', () => {
    const encoded = encodeIdentity(identity);
    expect(Buffer.from(encoded).toString('utf8')).toContain('{"v":1,"kind":"user"');
    expect(decodeIdentity(encoded)).toEqual(identity);
  });

  test('ok: optional fields that are not set are left out', () => {
    expect(decodeIdentity(encodeIdentity({ kind: 'host', name: undefined } as { kind: string }))).toEqual({
      kind: 'host',
    });
  });

  test('ok: out of a certificate', () => {
    const { oid, critical, value: encoded } = identityExtension(identity);
    const certificate = craftX509(key, { extensions: [derExtension(derOid(oid), critical, encoded)] });
    expect(oid).toBe(IDENTITY_OID);
    expect(identityOfCertificate(certificate)).toEqual(identity);
    expect(refusalOf(() => identityOfCertificate(craftX509(key)))).toBe('CERTIFICATE_INVALID identity');
  });

  test('ok: up to 16 KiB', () => {
    const room = MAX_IDENTITY_BYTES - '{"v":1,"kind":"a","x":""}'.length;
    const fits = { kind: 'a', x: 'x'.repeat(room) };
    expect(decodeIdentity(encodeIdentity(fits))).toEqual(fits);
    const above = { kind: 'a', x: 'x'.repeat(room + 1) };
    expect(refusalOf(() => encodeIdentity(above))).toBe('BAD_REQUEST identity');
    const text = JSON.stringify({ v: 1, ...above });
    expect(refusalOf(() => decodeIdentity(value(text)))).toBe('CERTIFICATE_INVALID identity');
  });

  const cycle: Record<string, unknown> = { kind: 'a' };
  cycle['self'] = cycle;
  test.each<[string, unknown]>([
    ['no kind', {}],
    ['an empty kind', { kind: '' }],
    ['another version', { kind: 'a', v: 2 }],
    ['a cycle', cycle],
    ['a bigint', { kind: 'a', n: 1n }],
  ])('refuses to write: %s', (_, wrong) => {
    expect(refusalOf(() => encodeIdentity(wrong as { kind: string }))).toBe('BAD_REQUEST identity');
  });

  test.each([
    ['nothing', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['a text', '"a"'],
    ['null', 'null'],
    ['no version', '{"kind":"a"}'],
    ['version 2', '{"v":2,"kind":"a"}'],
    ['a version as text', '{"v":"1","kind":"a"}'],
    ['a kind that is no text', '{"v":1,"kind":1}'],
    ['the version behind', '{"kind":"a","v":1}'],
    ['spaces', '{"v":1, "kind":"a"}'],
    ['a doubled key', '{"v":1,"kind":"user","kind":"admin"}'],
    ['a doubled key further in', '{"v":1,"kind":"a","t":{"x":1,"x":2}}'],
    ['another spelling of a number', '{"v":1,"kind":"a","n":1.0}'],
    ['another spelling of a text', '{"v":1,"kind":"\\u0061"}'],
    ['__proto__', '{"v":1,"kind":"a","__proto__":{"kind":"admin"}}'],
    ['__proto__ further in', '{"v":1,"kind":"a","t":{"__proto__":{}}}'],
    ['17 levels', `{"v":1,"kind":"a","x":${'['.repeat(16)}${']'.repeat(16)}}`],
    ['S33 thousands of levels', `{"v":1,"kind":"a","x":${'['.repeat(8000)}${']'.repeat(8000)}}`],
  ])('refuses to read: %s', (_, text) => {
    expect(refusalOf(() => decodeIdentity(value(text)))).toBe('CERTIFICATE_INVALID identity');
  });

  test.each([
    ['another type of string', derString(TAG.printableString, '{"v":1,"kind":"a"}'), 'malformed'],
    ['bytes that are not UTF-8', rawDer(TAG.utf8String, 0xff), 'malformed'],
    ['bytes behind', Buffer.concat([value('{"v":1,"kind":"a"}'), Uint8Array.of(0)]), 'trailing-bytes'],
  ])('refuses to read: %s', (_, bytes, reason) => {
    expect(refusalOf(() => decodeIdentity(bytes))).toBe(`CERTIFICATE_INVALID ${reason}`);
  });
});
