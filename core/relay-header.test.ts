import { beforeEach, describe, expect, it } from 'vitest';
import { HOUR, makeKeys, makeSshAuthority, NOW } from '#test/kit/certs.ts';
import { issueSshCertificate, sshAuthority } from './certs/ssh/issue.ts';
import { publicKeyFromKeyObject } from './certs/ssh/public-key.ts';
import { isCode } from './errors/error.ts';
import type { Identity } from './identity.ts';
import {
  MAX_RELAY_HEADER_BYTES,
  readRelayHeader,
  relayHeaderLength,
  SeenRelays,
  writeRelayHeader,
  type RelayContext,
  type RelayHeaderInput,
} from './relay-header.ts';
import { SSH_IDENTITY_EXTENSION, writeSshIdentity } from './ssh-identity.ts';

const keys = makeKeys();
const authority = makeSshAuthority();
const proxy: Identity = {
  kind: 'host',
  cluster: 'example.com',
  host_id: 'proxy-1',
  name: 'door',
  roles: ['proxy', 'node'],
};
const MINUTE = 60_000;

function certificateOf(identity: Identity, key = keys.ed25519, by = authority, names = ['door']): Uint8Array {
  return issueSshCertificate({
    subject: publicKeyFromKeyObject(key),
    type: 'host',
    keyId: 'door',
    principals: names,
    validAfter: NOW - HOUR,
    validBefore: NOW + HOUR,
    extensions: { [SSH_IDENTITY_EXTENSION]: writeSshIdentity(identity) },
    authority: by,
  });
}

const input = (change: Partial<RelayHeaderInput> = {}): RelayHeaderInput => ({
  client: '192.0.2.7:50000',
  target: 'node-1',
  now: NOW,
  key: keys.ed25519,
  certificate: certificateOf(proxy),
  ...change,
});

let context: RelayContext;
beforeEach(() => {
  context = {
    target: 'node-1',
    now: NOW,
    authorities: [authority.publicKey],
    clusterName: 'example.com',
    seen: new SeenRelays(),
  };
});

function outcome(bytes: Uint8Array, change: Partial<RelayContext> = {}): string {
  try {
    const { client, proxyId } = readRelayHeader(bytes, { ...context, ...change });
    return `${client} by ${proxyId}`;
  } catch (error) {
    return isCode(error) ? error.code : String(error);
  }
}

describe('reading what a proxy wrote', () => {
  it.each(Object.keys(keys) as (keyof typeof keys)[])('ok: with a host key of %s', (name) => {
    const key = keys[name];
    const line = writeRelayHeader(input({ key, certificate: certificateOf(proxy, key) }));
    expect(outcome(line)).toBe('192.0.2.7:50000 by proxy-1');
  });

  it('ok: IPv6 clients, and clocks that differ by five minutes either way', () => {
    expect(outcome(writeRelayHeader(input({ client: '[2001:db8::1]:22' })))).toBe(
      '[2001:db8::1]:22 by proxy-1',
    );
    expect(outcome(writeRelayHeader(input()), { now: NOW + 5 * MINUTE })).toContain('by proxy-1');
    expect(outcome(writeRelayHeader(input()), { now: NOW - 5 * MINUTE })).toContain('by proxy-1');
  });

  it('ok: a certificate with all the names a host may have, from an RSA authority', () => {
    const names = Array.from({ length: 36 }, (_, i) => `${i}`.padStart(253, 'a'));
    const by = sshAuthority(keys.rsa);
    const line = writeRelayHeader(
      input({ certificate: certificateOf(proxy, keys.rsa, by, names), key: keys.rsa }),
    );
    expect(line.length).toBeGreaterThan(10_000);
    expect(relayHeaderLength(line)).toBe(line.length);
    expect(outcome(line, { authorities: [by.publicKey] })).toContain('by proxy-1');
  });

  it('refuses: to write a client that is no address', () => {
    for (const client of [
      '',
      'localhost:1',
      '1.2.3.4',
      '1.2.3.4:x',
      '::1:22',
      '1.2.3.4:70000',
      '01.2.3.4:1',
    ]) {
      expect(() => writeRelayHeader(input({ client })), client).toThrow(/ip:port/);
    }
  });
});

describe('S19 addresses that somebody claims', () => {
  it.each<[string, Identity]>([
    ['a node', { ...proxy, roles: ['node', 'app', 'db', 'kube', 'auth'] }],
    ['a proxy of another cluster', { ...proxy, cluster: 'example.org' }],
    ['the local admin', { kind: 'admin', cluster: 'example.com', name: 'door' }],
  ])('S18 S19 refuses: a header of %s', (_, identity) => {
    expect(outcome(writeRelayHeader(input({ certificate: certificateOf(identity) })))).toBe(
      'CERTIFICATE_INVALID',
    );
  });

  it('S19 refuses: another authority, another key than the one certified, a user certificate', () => {
    const other = certificateOf(proxy, keys.ed25519, makeSshAuthority());
    expect(outcome(writeRelayHeader(input({ certificate: other })))).toBe('CERTIFICATE_INVALID');
    const stolen = input({ key: makeKeys().ed25519 });
    expect(outcome(writeRelayHeader(stolen))).toBe('CERTIFICATE_INVALID');
    const user = issueSshCertificate({
      subject: publicKeyFromKeyObject(keys.ed25519),
      type: 'user',
      keyId: 'joe',
      principals: ['joe'],
      validAfter: NOW - HOUR,
      validBefore: NOW + HOUR,
      extensions: { [SSH_IDENTITY_EXTENSION]: writeSshIdentity(proxy) },
      authority,
    });
    expect(outcome(writeRelayHeader(input({ certificate: user })))).toBe('CERTIFICATE_INVALID');
  });

  it('S19 refuses: a second use, another target, old and future headers, an expired certificate', () => {
    const line = writeRelayHeader(input());
    expect(outcome(line)).toContain('by proxy-1');
    expect(outcome(line)).toBe('UNAUTHENTICATED');
    expect(outcome(writeRelayHeader(input()), { target: 'node-2' })).toBe('UNAUTHENTICATED');
    for (const now of [NOW + 5 * MINUTE + 1, NOW - 5 * MINUTE - 1]) {
      expect(outcome(writeRelayHeader(input()), { now })).toBe('UNAUTHENTICATED');
    }
    expect(outcome(writeRelayHeader(input({ now: NOW + HOUR })), { now: NOW + HOUR })).toBe(
      'CERTIFICATE_INVALID',
    );
  });

  it('S19 refuses: a second spelling of the same signature', () => {
    // 83 bytes are 111 characters, whose last one has two bits that mean nothing.
    const text = Buffer.from(writeRelayHeader(input())).toString('latin1').trimEnd();
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(text.slice(-1));
    for (const bits of [1, 2, 3]) {
      const other = `${text.slice(0, -1)}${alphabet[last ^ bits] ?? ''}\n`;
      expect(() => readRelayHeader(Buffer.from(other), context)).toThrow('the relay header is malformed');
    }
  });

  it('S19 refuses: every byte changed, and every truncation', () => {
    const line = writeRelayHeader(input());
    for (let at = 0; at < line.length; at++) {
      const mutant = Uint8Array.from(line);
      mutant[at]! ^= 1;
      expect(outcome(mutant), `byte ${at}`).toMatch(/^(BAD_REQUEST|CERTIFICATE_INVALID)$/);
      expect(outcome(line.subarray(0, at)), `length ${at}`).toBe('BAD_REQUEST');
    }
  });

  it('S33 memory of used headers is bounded and lasts as long as they are good', () => {
    const seen = new SeenRelays();
    expect(seen.add('first', NOW)).toBe(true);
    expect(seen.add('first', NOW + 10 * MINUTE)).toBe(false);
    expect(seen.add('first', NOW + 21 * MINUTE)).toBe(true);
  });
});

describe('measuring', () => {
  const line = writeRelayHeader(input());

  it('ok: whole, with bytes behind, and in parts of any size', () => {
    expect(relayHeaderLength(line)).toBe(line.length);
    expect(relayHeaderLength(Buffer.concat([line, Buffer.from('SSH-2.0-x\r\n')]))).toBe(line.length);
    for (let length = 0; length < line.length; length++) {
      expect(relayHeaderLength(line.subarray(0, length))).toBe('partial');
    }
  });

  it('S32 S33 other protocols are told at their first byte, and a line without end at its bound', () => {
    for (const text of [
      'S',
      'SSH-2.0-OpenSSH',
      '\u0016\u0003\u0001',
      'GET / HTTP/1.1',
      'GATEHOUSE-RELAY/2 ',
    ]) {
      expect(relayHeaderLength(Buffer.from(text))).toBe('absent');
    }
    const endless = Buffer.concat([
      Buffer.from('GATEHOUSE-RELAY/1 '),
      Buffer.alloc(MAX_RELAY_HEADER_BYTES, 97),
    ]);
    expect(relayHeaderLength(endless)).toBe('absent');
    expect(relayHeaderLength(endless.subarray(0, MAX_RELAY_HEADER_BYTES - 1))).toBe('partial');
  });
});
