// The ssh2 package as the other end, in both roles: an implementation that shares no line with ours nor with OpenSSH. It
// knows no certificates, so plain keys are used.
import { createConnection, type AddressInfo } from 'node:net';
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import ssh2, { type Algorithms, type ExecStream, type Sftp } from 'ssh2';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { makeKeys } from '#test/kit/certs.ts';
import { openSshFiles } from '#test/kit/openssh.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { startToySshServer, type ToyServer } from '#test/kit/toy-ssh-server.ts';
import { openChannelStream } from './channel-stream.ts';
import { connectSsh } from './connect.ts';
import { execRequest } from './payloads.ts';

type Client = InstanceType<typeof ssh2.Client>;

const keys = makeKeys();
const big = randomBytes(10 * 1024 ** 2);
const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('the client of ssh2 with our server', () => {
  let toy: ToyServer;
  beforeAll(async () => {
    const files = openSshFiles(tempFolder());
    const hostKeys = [files.host, { privateKey: files.host.privateKey }];
    toy = await startToySshServer(files, { accepts: () => true, hostKeys });
  });
  afterAll(() => toy.close());

  const connect = (
    privateKey = keys.ed25519,
    port = toy.port,
    algorithms: Algorithms = {},
  ): Promise<Client> => {
    const client = new ssh2.Client();
    return new Promise((resolve, reject) => {
      client.once('ready', () => resolve(client));
      client.once('error', reject);
      client.connect({
        host: '127.0.0.1',
        port,
        username: 'joe',
        privateKey: openSshPrivateKey(privateKey).reveal(),
        algorithms,
      });
    });
  };
  const exec = (client: Client, command: string): Promise<ExecStream> =>
    new Promise((resolve, reject) =>
      client.exec(command, (error, stream) => (error ? reject(error) : resolve(stream))),
    );

  test.each(Object.entries(keys))('ok: a %s key', async (_, privateKey) => {
    const client = await connect(privateKey);
    client.end();
  });

  test('ok: output, errors, exit status, and several sessions at once', async () => {
    const client = await connect();
    const outcomes = await Promise.all(
      [1, 2, 3, 4, 5].map(async (n) => {
        const stream = await exec(client, `echo out ${n}; echo err >&2; exit ${n}`);
        let said = '';
        stream.on('data', (data: Buffer) => (said += data.toString()));
        stream.stderr.on('data', (data: Buffer) => (said += data.toString()));
        return new Promise((resolve) => stream.on('close', (code: number) => resolve([code, said.length])));
      }),
    );
    expect(outcomes).toEqual([1, 2, 3, 4, 5].map((n) => [n, 'out 1\nerr\n'.length]));
    client.end();
  });

  test('ok: 10 MB both ways', async () => {
    const client = await connect();
    const stream = await exec(client, 'cat');
    stream.end(big);
    expect(digest(Buffer.concat((await stream.toArray()) as Buffer[]))).toBe(digest(big));
    client.end();
  });

  // Keys of a later exchange are made of the hash of the first one too, RFC 4253 7.2: two ends of ours would not tell. In
  // CTR the packets are numbered from 0 again, as both ends are strict.
  test.each(['aes128-gcm@openssh.com', 'aes256-ctr'])(
    'S29 ok: 2 MB both ways while the server changes keys every 300 kB, %s',
    async (cipher) => {
      const busy = await startToySshServer(openSshFiles(tempFolder()), {
        accepts: () => true,
        hostKeys: [{ privateKey: keys.p256 }],
        limits: { rekeyBytes: 300_000 },
      });
      const client = await connect(keys.ed25519, busy.port, { cipher: [cipher] });
      const stream = await exec(client, 'cat');
      const data = big.subarray(0, 2 * 1024 ** 2);
      stream.end(data);
      expect(digest(Buffer.concat((await stream.toArray()) as Buffer[]))).toBe(digest(data));
      client.end();
      await busy.close();
    },
  );

  test('ok: files', async () => {
    const client = await connect();
    const sftp = await new Promise<Sftp>((resolve, reject) =>
      client.sftp((error, wrapper) => (error ? reject(error) : resolve(wrapper))),
    );
    const names = await new Promise<string[]>((resolve, reject) =>
      sftp.readdir('/', (error, list) =>
        error ? reject(error) : resolve(list.map(({ filename }) => filename)),
      ),
    );
    expect(names).toContain('etc');
    client.end();
  });
});

describe('our client with the server of ssh2', () => {
  const server = new ssh2.Server(
    { hostKeys: [openSshPrivateKey(keys.p256).reveal(), openSshPrivateKey(keys.rsa).reveal()] },
    (client) => {
      client.on('error', () => {});
      client.on('authentication', (context) => {
        if (context.method === 'publickey') context.accept();
        else context.reject(['publickey']);
      });
      client.on('session', (accept) => {
        accept().on('exec', (take: () => RemoteStream, _: unknown, { command }: { command: string }) => {
          if (command === 'new keys') client.rekey(() => take().end('with new keys'));
          else onExec(take, command);
        });
      });
    },
  );
  beforeAll(() => new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve)));
  afterAll(() => void server.close());

  const connect = (privateKey = keys.ed25519): ReturnType<typeof connectSsh> => {
    const { port } = server.address() as AddressInfo;
    return connectSsh({
      socket: createConnection({ port, host: '127.0.0.1' }),
      clock: systemClock,
      log: silentLog,
      user: 'joe',
      keys: [{ privateKey }],
      verifyHost({ blob }) {
        const known = [keys.p256, keys.rsa].map((key) => publicKeyFromKeyObject(key).blob);
        if (!known.some((key) => Buffer.compare(key, blob) === 0)) throw new Error('unknown host');
      },
    });
  };

  test.each(Object.entries(keys))('ok: a %s key', async (_, privateKey) => {
    const connection = await connect(privateKey);
    expect(await connection.probe()).toBe(true);
    connection.disconnect(11, 'done');
  });

  test('ok: output, errors and the exit status', async () => {
    const connection = await connect();
    let said = '';
    const stream = await openChannelStream(connection, 'session', new Uint8Array(), {
      onStderr: (data) => (said += data.toString()),
      onRequest: (name) => (said += name).length > 0,
    });
    await stream.channel.request('exec', execRequest.encode({ command: 'something' }));
    stream.end();
    expect(Buffer.concat((await stream.toArray()) as Buffer[]).toString()).toBe('out');
    expect(said).toBe('errexit-status');
    connection.disconnect(11, 'done');
  });

  test('S29 ok: the server asks for new keys', async () => {
    const connection = await connect();
    for (let round = 0; round < 3; round++) {
      const stream = await openChannelStream(connection, 'session', new Uint8Array());
      await stream.channel.request('exec', execRequest.encode({ command: 'new keys' }));
      expect(Buffer.concat((await stream.toArray()) as Buffer[]).toString()).toBe('with new keys');
      stream.destroy();
    }
    connection.disconnect(11, 'done');
  });

  test('ok: 10 MB both ways', async () => {
    const connection = await connect();
    const stream = await openChannelStream(connection, 'session', new Uint8Array());
    await stream.channel.request('exec', execRequest.encode({ command: 'cat' }));
    stream.end(big);
    expect(digest(Buffer.concat((await stream.toArray()) as Buffer[]))).toBe(digest(big));
    connection.disconnect(11, 'done');
  });
});

interface RemoteStream extends ExecStream {
  readonly stderr: ExecStream['stderr'] & { write(text: string): void };
  exit(code: number): void;
}

function onExec(take: () => RemoteStream, command: string): void {
  const stream = take();
  if (command === 'cat') {
    stream.pipe(stream);
    return;
  }
  stream.stderr.write('err');
  stream.exit(3);
  stream.end('out');
}
