// Every algorithm with somebody else's implementation, both ways: OpenSSH's client and server, and ssh2. Each goes as far
// as an answer of the login layer, so keys, ciphers and MACs of both directions were used. Slow: each is a process.
import { execFile } from 'node:child_process';
import { createConnection, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import ssh2, { type Algorithms } from 'ssh2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { knownHostsCertAuthorityLine, publicKeyLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { WireWriter } from '#core/certs/ssh/wire.ts';
import { systemClock } from '#core/clock.ts';
import { makeKeys } from '#test/kit/certs.ts';
import { certified, HOST, openSshFiles, startSshd } from '#test/kit/openssh.ts';
import { openEnd, type End } from '#test/kit/ssh-transport.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { MSG } from '../messages.ts';
import type { SshKey } from '../ssh.ts';
import { CIPHERS, HOST_KEY_ALGORITHMS, KEX_ALGORITHMS, MACS } from './algorithms.ts';

const files = openSshFiles(tempFolder());
const keys = makeKeys();
const plain: readonly SshKey[] = Object.values(keys).map((privateKey) => ({ privateKey }));
const withCertificates = Object.values(keys).map((key) =>
  certified(key, 'host', [HOST], files.hostAuthority),
);
/** OpenSSH 9.2 has no ML-KEM yet. */
const OPENSSH_KEX = KEX_ALGORITHMS.filter((name) => !name.startsWith('mlkem'));
const PROTECTIONS = CIPHERS.flatMap(({ name, mode }) =>
  mode === 'gcm' ? [{ cipher: name, mac: 'any' }] : MACS.map((mac) => ({ cipher: name, mac: mac.name })),
);

/** A server that goes as far as to refuse a login. */
function refuseLogin(payload: Buffer, { transport }: End): void {
  if (payload[0] === MSG.serviceRequest)
    transport.send(Uint8Array.of(MSG.serviceAccept), payload.subarray(1));
  else
    transport.send(
      new WireWriter()
        .raw(Uint8Array.of(MSG.userauthFailure))
        .string('publickey')
        .raw(Uint8Array.of(0))
        .view(),
    );
}

/** A client that asks to log in with nothing; the answer is the last of `messages`. */
async function askToLogIn(end: End): Promise<number | undefined> {
  await until('keys', () => end.isReady || end.isClosed);
  end.transport.send(new WireWriter().raw(Uint8Array.of(MSG.serviceRequest)).string('ssh-userauth').view());
  await until('the service', () => end.messages.length === 1 || end.isClosed);
  const request = new WireWriter().raw(Uint8Array.of(MSG.userauthRequest)).string('nobody');
  end.transport.send(request.string('ssh-connection').string('none').view());
  await until(
    'an answer',
    () => end.messages.some((message) => message[0] === MSG.userauthFailure) || end.isClosed,
  );
  return end.messages.at(-1)?.[0];
}

async function listen(onSocket: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer(onSocket);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: (server.address() as AddressInfo).port, server };
}

describe('our server', () => {
  let port = 0;
  let server: Server;
  let hostKeys: readonly SshKey[] = plain;
  beforeAll(async () => {
    ({ port, server } = await listen((socket) => {
      openEnd('server', socket, systemClock, { hostKeys, onMessage: refuseLogin });
    }));
    const lines = plain.map(
      ({ privateKey }) => `${HOST} ${publicKeyLine(publicKeyFromKeyObject(privateKey))}`,
    );
    const authority = knownHostsCertAuthorityLine([HOST], files.hostAuthority.publicKey);
    files.write('known_hosts', `${[...lines, authority].join('\n')}\n`);
  });
  afterAll(() => server.close());

  /** What `ssh -v` says of the exchange and its end. */
  async function ssh(...options: readonly string[]): Promise<string> {
    const settings = options.flatMap((option) => ['-o', option]);
    const args = files.clientOptions(port, ...settings, '-o', 'LogLevel=DEBUG1');
    return new Promise((resolve) =>
      execFile('ssh', [...args, 'nobody@127.0.0.1', 'true'], (_error, _stdout, stderr) => resolve(stderr)),
    );
  }
  const REFUSED = 'Permission denied (publickey)';

  test.each(OPENSSH_KEX)('ok: OpenSSH with %s', async (name) => {
    const said = await ssh(`KexAlgorithms=${name}`);
    expect(said).toContain(`kex: algorithm: ${name}`);
    expect(said).toContain(REFUSED);
  });

  test.each(PROTECTIONS)('ok: OpenSSH with $cipher and $mac', async ({ cipher, mac }) => {
    const said = await ssh(`Ciphers=${cipher}`, ...(mac === 'any' ? [] : [`MACs=${mac}`]));
    expect(said).toContain(`server->client cipher: ${cipher} MAC: ${mac === 'any' ? '<implicit>' : mac}`);
    expect(said).toContain(`client->server cipher: ${cipher}`);
    expect(said).toContain(REFUSED);
  });

  test.each(HOST_KEY_ALGORITHMS)('ok: OpenSSH with a host key of %s', async (name) => {
    hostKeys = name.includes('-cert-') ? withCertificates : plain;
    const said = await ssh(`HostKeyAlgorithms=${name}`);
    expect(said).toContain(`kex: host key algorithm: ${name}`);
    expect(said).toContain(REFUSED);
    hostKeys = plain;
  });

  test('S29 ok: OpenSSH as it comes: strict, with GCM, and told of signatures and pings', async () => {
    const said = await ssh();
    expect(said).toContain('server->client cipher: aes128-gcm@openssh.com');
    expect(said).toMatch(/resetting send seqnr/);
    expect(said).toMatch(/resetting read seqnr/);
    expect(said).toContain('server-sig-algs=<ssh-ed25519,');
    expect(said).toContain(REFUSED);
  });

  test('S30 refuses: OpenSSH does not take a stolen certificate', async () => {
    const stolen = withCertificates[0]?.certificate ?? new Uint8Array(0);
    hostKeys = [{ privateKey: makeKeys().ed25519, certificate: stolen }];
    const said = await ssh();
    expect(said).toMatch(/incorrect signature|error in libcrypto/);
    expect(said).not.toContain(REFUSED);
    hostKeys = plain;
  });

  test('S31 refuses: OpenSSH with algorithms that are not to be used', async () => {
    for (const option of [
      'Ciphers=aes128-cbc',
      'KexAlgorithms=diffie-hellman-group1-sha1',
      'KexAlgorithms=diffie-hellman-group14-sha1',
    ]) {
      expect(await ssh(option)).toMatch(/Unable to negotiate|no matching|disconnect/i);
    }
  });

  const ssh2Settings: readonly [string, Algorithms][] = [
    ...[
      'curve25519-sha256',
      'ecdh-sha2-nistp256',
      'ecdh-sha2-nistp384',
      'diffie-hellman-group14-sha256',
      'diffie-hellman-group16-sha512',
    ].map((kex): [string, Algorithms] => [kex, { kex: [kex] }]),
    ...PROTECTIONS.map(({ cipher, mac }): [string, Algorithms] => [
      `${cipher} and ${mac}`,
      {
        cipher: [cipher],
        ...(mac === 'any' ? {} : { hmac: [mac] }),
      },
    ]),
  ];

  test.each(ssh2Settings)('ok: ssh2 with %s', async (_, algorithms) => {
    const client = new ssh2.Client();
    const error = await new Promise<Error>((resolve) => {
      client.on('error', resolve);
      client.connect({ port, host: '127.0.0.1', username: 'nobody', password: 'x', algorithms });
    });
    expect(error.message).toBe('All configured authentication methods failed');
    client.end();
  });
});

describe('our client', () => {
  const verifyHost = ({ algorithm, blob }: { algorithm: string; blob: Uint8Array }): void => {
    if (!algorithm.includes('-cert-')) return;
    const authorities = [files.hostAuthority.publicKey];
    verifySshCertificate(blob, { type: 'host', authorities, principal: HOST, now: Date.now() });
  };

  async function connectTo(port: number, hostAlgorithms?: readonly string[]): Promise<End> {
    const socket = createConnection(port, '127.0.0.1');
    return openEnd('client', socket, systemClock, {
      verifyHost,
      ...(hostAlgorithms === undefined ? {} : { hostAlgorithms }),
    });
  }

  async function withSshd(settings: readonly string[], use: (port: number) => Promise<void>): Promise<void> {
    const sshd = await startSshd(files, settings);
    try {
      await use(sshd.port);
    } finally {
      sshd.process.kill();
    }
  }

  test.each([
    ...OPENSSH_KEX.map((name) => `KexAlgorithms ${name}`),
    ...PROTECTIONS.map(({ cipher, mac }) => `Ciphers ${cipher}${mac === 'any' ? '' : `\nMACs ${mac}`}`),
  ])('ok: sshd with %s', async (setting) => {
    await withSshd([setting], async (port) => {
      const end = await connectTo(port);
      expect(await askToLogIn(end)).toBe(MSG.userauthFailure);
      end.transport.destroy();
    });
  });

  test('ok: sshd with every kind of host key and host certificate', async () => {
    const settings = Object.entries(keys).flatMap(([name, key], at) => {
      const certificate = withCertificates[at]?.certificate ?? new Uint8Array(0);
      files.write(`host-${name}`, openSshPrivateKey(key).reveal());
      files.write(`host-${name}-cert.pub`, `${sshCertificateLine(parseSshCertificate(certificate))}\n`);
      return [
        `HostKey ${files.path(`host-${name}`)}`,
        `HostCertificate ${files.path(`host-${name}-cert.pub`)}`,
      ];
    });
    await withSshd(settings, async (port) => {
      for (const name of HOST_KEY_ALGORITHMS) {
        const end = await connectTo(port, [name]);
        expect([name, await askToLogIn(end)]).toEqual([name, MSG.userauthFailure]);
        expect(end.transport.peerSignatureAlgorithms).toContain('rsa-sha2-512');
        end.transport.destroy();
      }
    });
  });

  test.each([
    'curve25519-sha256',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group16-sha512',
  ] as const)('ok: a server of ssh2 with %s', async (kex) => {
    const hostKey = openSshPrivateKey(keys.ed25519).reveal();
    const server = new ssh2.Server({ hostKeys: [hostKey], algorithms: { kex: [kex] } }, (client) => {
      client.on('authentication', (context) => context.reject(['publickey']));
      client.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const end = await connectTo((server.address() as AddressInfo).port);
    expect(await askToLogIn(end)).toBe(MSG.userauthFailure);
    end.transport.destroy();
    server.close();
  });
});
