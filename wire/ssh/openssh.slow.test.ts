// The real OpenSSH at both ends: its client against our server, our client against its server, with certificates on
// both sides. Slow because each login is a process, and because some of it moves many bytes.
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { makeKeys, makeSshAuthority } from '#test/kit/certs.ts';
import { certified, freePort, HOST, LOGIN, openSshFiles, startSshd } from '#test/kit/openssh.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { startToySshServer, type ToyServer } from '#test/kit/toy-ssh-server.ts';
import { until } from '#test/kit/until.ts';
import { openChannelStream, type ChannelStream } from './channel-stream.ts';
import { connectSsh } from './connect.ts';
import { directTcpip, execRequest, exitSignal, exitStatus, tcpipForward } from './payloads.ts';
import type { ConnectOptions, SshConnection } from './ssh.ts';

const MIB = 1024 ** 2;
const run = promisify(execFile);
const files = openSshFiles(tempFolder());
const destination = `${LOGIN}@127.0.0.1`;
const big = randomBytes(50 * MIB);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('the OpenSSH client with our server', () => {
  let toy: ToyServer;
  beforeAll(async () => {
    toy = await startToySshServer(files);
    writeFileSync(files.path('big'), big);
  });
  afterAll(() => toy.close());

  interface Outcome {
    readonly code: number | string;
    readonly stdout: Buffer;
    readonly stderr: string;
  }

  async function ssh(options: readonly string[], command: string, input?: string): Promise<Outcome> {
    const child = spawn('ssh', [...files.clientOptions(toy.port, ...options), destination, command]);
    const out: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (data: Buffer) => out.push(data));
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    child.stdin.on('error', () => {});
    if (input === undefined) child.stdin.end();
    else child.stdin.end(readFileSync(input));
    const code = await new Promise<number | string>((resolve) =>
      child.once('close', (status, signal) => resolve(status ?? signal ?? 'gone')),
    );
    return { code, stdout: Buffer.concat(out), stderr };
  }

  test('ok: output, errors and the exit status', async () => {
    const outcome = await ssh([], 'echo out; echo err >&2; exit 3');
    expect(outcome).toEqual({ code: 3, stdout: Buffer.from('out\n'), stderr: 'err\n' });
  });

  test('ok: input up to its end', async () => {
    const outcome = await ssh([], 'sha256sum; echo done', files.path('big'));
    expect(outcome.stdout.toString()).toBe(`${digest(big)}  -\ndone\n`);
  });

  test('ok: a command of 100 kB', async () => {
    const outcome = await ssh([], `echo ${'x'.repeat(100_000)}`);
    expect([outcome.stderr, outcome.stdout.length]).toEqual(['', 100_001]);
  });

  test('ok: a command that ends by a signal', async () => {
    const outcome = await ssh([], 'kill -TERM $$');
    expect(outcome.code).toBe(255);
  });

  test.each([
    ['RekeyLimit=1M', 'Ciphers=aes128-gcm@openssh.com'],
    ['RekeyLimit=1M 1', 'Ciphers=aes128-gcm@openssh.com'],
    ['RekeyLimit=1M', 'Ciphers=aes256-ctr'],
  ])('ok: 50 MB both ways while keys change, %s %s', async (...settings) => {
    const options = settings.flatMap((setting) => ['-o', setting]);
    const outcome = await ssh(options, 'cat', files.path('big'));
    expect(outcome.stderr).toBe('');
    expect(digest(outcome.stdout)).toBe(digest(big));
  });

  test.each(['aes128-gcm@openssh.com', 'aes256-ctr'])('ok: 50 MB both ways with %s', async (cipher) => {
    const outcome = await ssh(['-c', cipher], 'cat', files.path('big'));
    expect(digest(outcome.stdout)).toBe(digest(big));
  });

  test('ok: one connection for five sessions (ControlMaster)', async () => {
    const before = toy.connections.length;
    const control = ['-o', `ControlPath=${files.path('mux')}`];
    const master = spawn('ssh', [...files.clientOptions(toy.port, ...control), '-M', '-N', destination]);
    await until('the master is there', async () => {
      try {
        await run('ssh', [...files.clientOptions(toy.port, ...control), '-O', 'check', destination]);
        return true;
      } catch {
        return false;
      }
    });
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map((n) => ssh(control, `echo ${n}; exit ${n}`)));
    expect(outcomes.map(({ code, stdout }) => [code, stdout.toString()])).toEqual(
      [1, 2, 3, 4, 5].map((n) => [n, `${n}\n`]),
    );
    expect(toy.connections.length).toBe(before + 1);
    await run('ssh', [...files.clientOptions(toy.port, ...control), '-O', 'exit', destination]);
    master.kill();
  });

  test('ok: forwarding to a port (-L), 50 MB both ways and half-closed', async () => {
    const port = await freePort();
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const target = `${port}:127.0.0.1:${(echo.address() as AddressInfo).port}`;
    const client = spawn('ssh', [...files.clientOptions(toy.port), '-N', '-L', target, destination]);
    const socket = await until('the forward is there', () => dial(port));
    expect(digest(await exchange(socket, big))).toBe(digest(big));
    client.kill();
    echo.close();
  });

  test('ok: forwarding from a port of the server (-R), 50 MB both ways and half-closed', async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const port = await freePort();
    const target = `127.0.0.1:${port}:127.0.0.1:${(echo.address() as AddressInfo).port}`;
    const client = spawn('ssh', [...files.clientOptions(toy.port), '-N', '-R', target, destination]);
    const socket = await until('the forward is there', () => dial(port));
    expect(digest(await exchange(socket, big))).toBe(digest(big));
    client.kill();
    await until('the listener is gone', async () => (await dial(port)) === undefined);
    echo.close();
  });

  test('ok: files by sftp, and by scp over it', async () => {
    const batch = files.write('batch', `put ${files.path('big')} ${files.path('put')}\n`);
    await run('sftp', [...files.clientOptions(toy.port), '-b', batch, destination]);
    expect(digest(readFileSync(files.path('put')))).toBe(digest(big));
    const from = `${destination}:${files.path('big')}`;
    await run('scp', [...files.clientOptions(toy.port), from, files.path('got')]);
    expect(digest(readFileSync(files.path('got')))).toBe(digest(big));
    await run('scp', ['-O', ...files.clientOptions(toy.port), from, files.path('old')]);
    expect(digest(readFileSync(files.path('old')))).toBe(digest(big));
  });

  test('ok: the server finds a client that is frozen', async () => {
    const strict = await startToySshServer(files, { limits: { keepAliveMs: 300, keepAliveCount: 2 } });
    const child = spawn('ssh', [...files.clientOptions(strict.port), destination, 'sleep 60']);
    const connection = await until('the client is there', () => strict.connections[0]);
    await until('its session', () => connection.channelCount === 1);
    let error: unknown = 'open';
    void connection.closed.then((reason) => (error = reason));
    // It answers while it is alive.
    const asked = performance.now();
    await until('three questions', () => performance.now() - asked > 1200);
    expect(error).toBe('open');
    child.kill('SIGSTOP');
    await until('it is given up', () => error !== 'open');
    expect(error).toMatchObject({ code: 'UNAVAILABLE' });
    child.kill('SIGKILL');
    await strict.close();
  });

  const keys = makeKeys();
  test.each(Object.entries(keys))('ok: a certificate of a %s key', async (name, privateKey) => {
    const other = openSshFiles(tempFolder());
    const key = certified(privateKey, 'user', [LOGIN], files.userAuthority);
    const { openSshPrivateKey } = await import('#core/certs/ssh/private-key.ts');
    const { parseSshCertificate } = await import('#core/certs/ssh/certificate.ts');
    const { sshCertificateLine } = await import('#core/certs/ssh/lines.ts');
    other.write(name, openSshPrivateKey(privateKey).reveal());
    other.write(`${name}-cert.pub`, `${sshCertificateLine(parseSshCertificate(key.certificate))}\n`);
    const identity = ['-i', other.path(name), '-o', `CertificateFile=${other.path(`${name}-cert.pub`)}`];
    const outcome = await ssh(identity, 'echo in');
    expect(outcome.stdout.toString()).toBe('in\n');
  });

  test('S1 refuses: a certificate of another authority, a plain key, a certificate for another name', async () => {
    const strict = await startToySshServer(files);
    const stranger = openSshFiles(tempFolder());
    const login = (options: string[], who: string): Promise<unknown> => run('ssh', [...options, who, 'true']);
    const known = ['-o', `UserKnownHostsFile=${files.path('known_hosts')}`];
    await expect(
      login([...known, ...stranger.clientOptions(strict.port)], destination),
    ).rejects.toMatchObject({
      stderr: expect.stringContaining('Permission denied (publickey)') as string,
    });
    await expect(login(files.clientOptions(strict.port), 'somebody-else@127.0.0.1')).rejects.toMatchObject({
      stderr: expect.stringContaining('Permission denied (publickey)') as string,
    });
    await until('they are refused', () => strict.refusals.length === 2);
    expect(strict.connections).toEqual([]);
    await strict.close();
  });
});

describe('our client with the OpenSSH server', () => {
  let sshd: Awaited<ReturnType<typeof startSshd>>;
  beforeAll(async () => {
    sshd = await startSshd(files, ['RekeyLimit 4M']);
  });
  afterAll(() => {
    sshd.process.kill();
  });

  const connect = async (change: Partial<ConnectOptions> = {}): Promise<SshConnection> => {
    const socket = createConnection({ port: sshd.port, host: '127.0.0.1', noDelay: true });
    await new Promise((resolve) => socket.once('connect', resolve));
    return connectSsh({
      socket,
      clock: systemClock,
      log: silentLog,
      user: LOGIN,
      keys: [files.user],
      verifyHost: ({ blob }) =>
        void verifySshCertificate(blob, {
          type: 'host',
          authorities: [files.hostAuthority.publicKey],
          principal: HOST,
          now: Date.now(),
        }),
      ...change,
    });
  };

  test('ok: a command, with its input, errors and exit status', async () => {
    const connection = await connect();
    const seen: (readonly [string, Uint8Array])[] = [];
    const errors: Buffer[] = [];
    const stream = await openChannelStream(connection, 'session', new Uint8Array(), {
      onStderr: (data) => errors.push(data),
      onRequest: (name, payload) => seen.push([name, payload]) > 0,
    });
    expect(
      await stream.channel.request('exec', execRequest.encode({ command: 'cat; echo err >&2; exit 3' })),
    ).toBe(true);
    expect((await exchange(stream, Buffer.from('in'))).toString()).toBe('in');
    expect(Buffer.concat(errors).toString()).toBe('err\n');
    expect(seen.map(([name]) => name)).toContain('exit-status');
    expect(exitStatus.decode(seen.find(([name]) => name === 'exit-status')![1])).toEqual({ code: 3 });
    connection.disconnect(11, 'done');
    expect(await connection.closed).toBeUndefined();
  });

  test('ok: 50 MB both ways while the server changes keys, on two channels at once', async () => {
    const connection = await connect({ limits: { rekeyBytes: 8 * MIB } });
    const through = async (): Promise<string> => {
      const stream = await openChannelStream(connection, 'session', new Uint8Array());
      await stream.channel.request('exec', execRequest.encode({ command: 'cat' }));
      return digest(await exchange(stream, big));
    };
    expect(await Promise.all([through(), through()])).toEqual([digest(big), digest(big)]);
    connection.disconnect(11, 'done');
  });

  test('ok: a command that ends by a signal', async () => {
    const connection = await connect();
    const seen: string[] = [];
    const stream = await openChannelStream(connection, 'session', new Uint8Array(), {
      onRequest(name, payload) {
        seen.push(name === 'exit-signal' ? exitSignal.decode(payload).signal : name);
        return true;
      },
    });
    await stream.channel.request('exec', execRequest.encode({ command: 'kill -TERM $$' }));
    await exchange(stream, Buffer.alloc(0));
    expect(seen).toContain('TERM');
    connection.disconnect(11, 'done');
  });

  test('ok: channels to a port, from a port, and one that is refused', async () => {
    const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    const { port } = echo.address() as AddressInfo;
    const received: string[] = [];
    const connection = await connect({
      handlers: {
        onChannel(opening) {
          received.push(opening.type);
          const channel = opening.accept({ onEof: () => channel.close() });
          channel.write(Buffer.from('hello'));
        },
      },
    });
    const origin = { originHost: '127.0.0.1', originPort: 1 };
    const payload = directTcpip.encode({ host: '127.0.0.1', port, ...origin });
    const stream = await openChannelStream(connection, 'direct-tcpip', payload);
    expect(digest(await exchange(stream, big))).toBe(digest(big));
    const none = directTcpip.encode({ host: '127.0.0.1', port: await freePort(), ...origin });
    await expect(connection.open('direct-tcpip', none, {})).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      details: { reason: 2 },
    });
    const reply = await connection.request(
      'tcpip-forward',
      tcpipForward.encode({ host: '127.0.0.1', port: 0 }),
    );
    const bound = Buffer.from(reply ?? []).readUInt32BE();
    const socket = (await dial(bound)) as Socket;
    expect((await exchange(socket, Buffer.alloc(0))).toString()).toBe('hello');
    expect(received).toEqual(['forwarded-tcpip']);
    expect(await connection.probe()).toBe(true);
    connection.disconnect(11, 'done');
    echo.close();
  });

  test.each(Object.entries(makeKeys()))('ok: a certificate of a %s key', async (_, privateKey) => {
    const connection = await connect({ keys: [certified(privateKey, 'user', [LOGIN], files.userAuthority)] });
    expect(await connection.probe()).toBe(true);
    connection.disconnect(11, 'done');
  });

  test('ok: keys are tried in order, also ones that an agent signs for', async () => {
    const strangers = makeSshAuthority();
    const { privateKey } = files.user;
    const { signSsh } = await import('#core/certs/ssh/signature.ts');
    const asked: string[] = [];
    const connection = await connect({
      keys: [
        { privateKey },
        certified(privateKey, 'user', [LOGIN], strangers),
        { blob: certified(privateKey, 'user', [LOGIN], strangers).certificate, ...agent },
        { blob: files.user.certificate, ...agent },
      ].map((key) =>
        'blob' in key
          ? {
              ...key,
              sign: async (algorithm: string, data: Uint8Array) => {
                asked.push(algorithm);
                return signSsh(privateKey, 'ssh-ed25519', data);
              },
            }
          : key,
      ),
    });
    expect(asked).toEqual(['ssh-ed25519-cert-v01@openssh.com']);
    connection.disconnect(11, 'done');
  });

  test('S2 refuses: a host certificate of another authority, a user that may not log in', async () => {
    const other = makeSshAuthority();
    await expect(
      connect({
        verifyHost: ({ blob }) =>
          void verifySshCertificate(blob, {
            type: 'host',
            authorities: [other.publicKey],
            principal: HOST,
            now: Date.now(),
          }),
      }),
    ).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
    await expect(connect({ user: 'nobody' })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      details: { methods: ['publickey'] },
    });
  });
});

const agent = { algorithms: ['ssh-ed25519-cert-v01@openssh.com'] };

async function dial(port: number): Promise<Socket | undefined> {
  const socket = createConnection({ port, host: '127.0.0.1', allowHalfOpen: true });
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

/** Sends all, half-closes, and returns all that comes back. */
function exchange(socket: Socket | ChannelStream, bytes: Buffer): Promise<Buffer> {
  const received: Buffer[] = [];
  return new Promise((resolve, reject) => {
    socket.on('data', (data: Buffer) => received.push(data));
    socket.once('end', () => resolve(Buffer.concat(received)));
    socket.once('error', reject);
    socket.end(bytes);
  });
}
