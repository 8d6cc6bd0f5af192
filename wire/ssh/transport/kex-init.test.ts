import { expect, test } from 'vitest';
import { WireWriter } from '#core/certs/ssh/wire.ts';
import { isCode } from '#core/errors/error.ts';
import {
  agree,
  encodeKexInit,
  isGuessRight,
  isStrict,
  ownLists,
  parseKexInit,
  takesExtensions,
} from './kex-init.ts';
import { takesGcm, type KexLists } from './kex-init.ts';

const server = ownLists('server', true, ['ssh-ed25519-cert-v01@openssh.com', 'ssh-ed25519'], false);
/** What `ssh` of OpenSSH 9.2 sends. */
const openSsh: KexLists = {
  kex: [
    'sntrup761x25519-sha512@openssh.com',
    'curve25519-sha256',
    'ext-info-c',
    'kex-strict-c-v00@openssh.com',
  ],
  hostKey: ['ssh-ed25519', 'ssh-ed25519-cert-v01@openssh.com'],
  cipherToServer: ['chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes128-gcm@openssh.com'],
  cipherToClient: ['chacha20-poly1305@openssh.com', 'aes128-ctr', 'aes128-gcm@openssh.com'],
  macToServer: ['umac-64-etm@openssh.com', 'hmac-sha2-256-etm@openssh.com'],
  macToClient: ['umac-64-etm@openssh.com', 'hmac-sha2-512'],
  compressionToServer: ['none', 'zlib@openssh.com'],
  compressionToClient: ['none', 'zlib@openssh.com'],
};
const NAMES = Object.keys(openSsh) as (keyof KexLists)[];

function refusal(run: () => unknown): string {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return isCode(error) ? `${error.code}: ${error.message}` : `another exception: ${String(error)}`;
  }
}

test('ok: what is written is read again', () => {
  const read = parseKexInit(encodeKexInit(server));
  expect(read).toMatchObject({ ...server, isGuessed: false });
  expect([isStrict('server', read), isStrict('client', read)]).toEqual([true, false]);
  expect([takesExtensions('server', read), takesExtensions('client', read)]).toEqual([true, false]);
});

test('ok: later lists carry no markers', () => {
  const later = ownLists('client', false, [], false);
  expect(later.kex.filter((name) => /strict|ext-info/.test(name))).toEqual([]);
});

test('S31 refuses: CBC, SHA-1, RC4 and none are in no list', () => {
  const names = NAMES.filter((name) => !name.startsWith('compression')).flatMap((name) => server[name]);
  expect(names.filter((name) => /cbc|sha1|md5|arcfour|none|dss|^ssh-rsa|group1-|3des/.test(name))).toEqual(
    [],
  );
  expect(server.compressionToClient).toEqual(['none']);
});

test('ok: the first choice of the client that the server has, each way by itself', () => {
  const agreed = agree(openSsh, server);
  expect(agreed.kex).toBe('curve25519-sha256');
  expect(agreed.hostKey).toBe('ssh-ed25519');
  expect([agreed.toServer.cipher.name, agreed.toServer.mac?.name]).toEqual([
    'aes128-ctr',
    'hmac-sha2-256-etm@openssh.com',
  ]);
  expect([agreed.toClient.cipher.name, agreed.toClient.mac?.name]).toEqual(['aes128-ctr', 'hmac-sha2-512']);
});

test('ok: with GCM alone on the list of the server, GCM it is, and no MAC is needed', () => {
  expect(takesGcm(openSsh)).toBe(true);
  const agreed = agree(
    { ...openSsh, macToServer: [], macToClient: [] },
    ownLists('server', true, ['ssh-ed25519'], true),
  );
  expect([agreed.toServer.cipher.name, agreed.toServer.mac]).toEqual(['aes128-gcm@openssh.com', undefined]);
});

test('ok: a client without GCM in one direction is not made to use it', () => {
  expect(takesGcm({ ...openSsh, cipherToClient: ['aes128-ctr'] })).toBe(false);
});

test.each(NAMES)('refuses: nothing in common in %s', (name) => {
  const outcome = refusal(() => agree({ ...openSsh, [name]: ['of-nobody'] }, server));
  expect(outcome).toMatch(/^NOT_SUPPORTED: the two ends have no .+ in common; the client offers of-nobody$/);
});

test('S31 refuses: a marker is no algorithm, also when both have it', () => {
  const markers = {
    kex: ['ext-info-c', 'kex-strict-c-v00@openssh.com', 'kex-strict-s-v00@openssh.com', 'ext-info-s'],
  };
  expect(refusal(() => agree({ ...openSsh, ...markers }, { ...server, ...markers }))).toMatch(
    /^NOT_SUPPORTED/,
  );
});

test('ok: a guess is right when both prefer the same exchange and host key', () => {
  expect(isGuessRight(openSsh, server)).toBe(false);
  expect(isGuessRight({ ...openSsh, kex: server.kex, hostKey: server.hostKey }, server)).toBe(true);
  expect(isGuessRight({ ...openSsh, kex: server.kex }, server)).toBe(false);
});

const raw = (lists: readonly (string | Uint8Array)[], tail: readonly number[] = [0, 0, 0, 0, 0]): Buffer => {
  const writer = new WireWriter().raw(new Uint8Array(17));
  for (const list of lists) writer.string(list);
  return Buffer.from(writer.raw(Uint8Array.from(tail)).finish());
};
const TEN = Array.from({ length: 10 }, () => 'a,b');

test.each([
  ['nothing', Buffer.from([20])],
  ['nine lists', raw(TEN.slice(1))],
  ['bytes after its end', raw(TEN, [0, 0, 0, 0, 0, 0])],
  ['cut short', raw(TEN, [0, 0])],
  ['a name that is too long', raw(['x'.repeat(65), ...TEN.slice(1)])],
  ['a space', raw(['a b', ...TEN.slice(1)])],
  ['a NUL', raw(['a\0', ...TEN.slice(1)])],
  ['other than ASCII', raw([Uint8Array.of(0xc3, 0xa9), ...TEN.slice(1)])],
  ['a list that is too long', raw(['a,'.repeat(2100).slice(0, -1), ...TEN.slice(1)])],
])('S33 refuses: lists with %s', (_, payload) => {
  expect(refusal(() => parseKexInit(payload))).toMatch(/^BAD_REQUEST/);
});

test('ok: empty names in a list, as some clients send them, are passed over', () => {
  expect(parseKexInit(raw(['a,,b', 'c,', ...TEN.slice(2)]))).toMatchObject({
    kex: ['a', 'b'],
    hostKey: ['c'],
  });
});
