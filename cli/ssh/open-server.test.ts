// Who is believed to be the server: every machine in the middle is tried against the one function that all commands
// connect by.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { issueSshCertificate, type SshAuthority } from '#core/certs/ssh/issue.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { silentLog } from '#core/log.ts';
import { makeSshAuthority, HOUR, NOW } from '#test/kit/certs.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { acceptSsh } from '#wire/ssh/accept.ts';
import type { SshKey } from '#wire/ssh/ssh.ts';
import { hostNamesOf } from './host-certificate.ts';
import { openServer, openServerOn, type OpenServerOptions, type ServerAddress } from './open-server.ts';

const hosts = makeSshAuthority();
const users = makeSshAuthority();
const clock = new FakeClock(NOW);

interface Shown {
  readonly type?: 'host' | 'user';
  readonly principals?: readonly string[];
  readonly authority?: SshAuthority;
  readonly validBefore?: number;
}

function certified(about: Shown = {}): SshKey {
  const { publicKey, privateKey } = generateKeyPair('ed25519');
  const certificate = issueSshCertificate({
    subject: publicKeyFromKeyObject(publicKey),
    type: about.type ?? 'host',
    keyId: 'k',
    principals: about.principals ?? ['web-1', 'web-1.test.example.com', '10.0.0.7'],
    validAfter: NOW - HOUR,
    validBefore: about.validBefore ?? NOW + HOUR,
    extensions: {},
    authority: about.authority ?? hosts,
  });
  return { privateKey, certificate };
}

/** What came of it, and what the server was told. */
async function connect(
  host: SshKey,
  server: ServerAddress = { target: 'web-1' },
): Promise<{ readonly outcome: string; readonly users: string[] }> {
  const [near, far] = duplexPair();
  const asked: string[] = [];
  acceptSsh({
    socket: far,
    clock,
    log: silentLog,
    hostKeys: [host],
    authenticate: ({ user }) => {
      asked.push(user);
      return { accept: true, identity: user };
    },
    serve: () => ({}),
  });
  const identity = { key: certified({ type: 'user', authority: users }), authorities: [hosts.publicKey] };
  try {
    const connection = await openServerOn(near, { clock, identity, server, login: 'root' });
    connection.disconnect(11, 'done');
    await connection.closed;
    return { outcome: 'connected', users: asked };
  } catch (error) {
    return { outcome: (error as { code: string }).code, users: asked };
  }
}

describe('the server that was asked for', () => {
  test.each<[string, ServerAddress]>([
    ['its name', { target: 'web-1' }],
    ['its name in other letters', { target: 'WEB-1' }],
    ['its full name', { target: 'web-1.test.example.com' }],
    ['its address', { target: '10.0.0.7' }],
    ['its id, found by labels', { target: '7', names: ['7', 'web-1'] }],
  ])('ok: by %s', async (_, server) => {
    expect(await connect(certified(), server)).toMatchObject({ outcome: 'connected' });
  });

  test.each<[string, SshKey]>([
    ['a server of another name', certified({ principals: ['web-2'] })],
    ['a name that begins alike', certified({ principals: ['web-10', 'web-1.evil.example'] })],
    ['a list in one name', certified({ principals: ['web-1', 'x'].map((name) => `${name}-`) })],
    ['another authority', certified({ authority: makeSshAuthority() })],
    ['the authority of users', certified({ authority: users })],
    ['the certificate of a user', certified({ type: 'user' })],
    ['a certificate that has expired', certified({ validBefore: NOW - 1 })],
    [
      'a certificate and the key of another',
      { ...certified(), privateKey: generateKeyPair('ed25519').privateKey },
    ],
    ['a plain key', { privateKey: generateKeyPair('ed25519').privateKey }],
  ])('S30 refuses: %s, before the login is sent', async (_, host) => {
    const { outcome, users: asked } = await connect(host);
    expect(outcome).not.toBe('connected');
    expect(asked).toEqual([]);
  });

  test('S30 no command of gate connects by anything else', () => {
    const root = fileURLToPath(new URL('../', import.meta.url));
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
    );
    const connecting = files.filter((name) => readFileSync(join(root, name), 'utf8').includes('connectSsh('));
    // The second one connects to the proxy, and checks that it is one.
    expect(connecting.sort()).toEqual(['ssh/open-server.ts', 'ssh/reach-by-ssh.ts']);
  });
});

test('ok: a time for all of it ends the waiting for a proxy that never answers', async () => {
  const accepted: Socket[] = [];
  const silent = createServer((socket) => void accepted.push(socket));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const web = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const time = new FakeClock(NOW);
  const profile = {
    cluster: 'test.example.com',
    tls_authorities: [],
    proxy: { web, ssh: web, ends_tls: true },
  };
  const opening = openServer({
    clock: time,
    profile: profile as unknown as OpenServerOptions['profile'],
    identity: { key: certified({ type: 'user', authority: users }), authorities: [] },
    server: { target: 'web-1' },
    login: 'root',
    environment: {},
    timeoutMs: 5000,
  });
  const outcome = opening.catch((error: Error) => error.message);
  await until('the connection', () => accepted.length === 1);
  await time.advance(5000);
  expect(await outcome).toBe('web-1 cannot be reached within 5 seconds');
  for (const socket of accepted) socket.destroy();
  silent.close();
});

test('ok: names are compared as certificates write them', () => {
  expect(hostNamesOf('WEB-1.Example.Com')).toEqual(['web-1.example.com']);
  expect(hostNamesOf('[2001:DB8:0:0::1]')).toEqual(['2001:db8::1']);
});
