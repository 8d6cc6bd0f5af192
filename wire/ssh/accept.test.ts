// Both ends over real ciphers in one process: what accept.ts and connect.ts put together, and the attacks that need a
// whole connection.
import { duplexPair, type Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { makeKeys, makeSshAuthority } from '#test/kit/certs.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { certified } from '#test/kit/openssh.ts';
import { until } from '#test/kit/until.ts';
import { acceptSsh } from './accept.ts';
import { connectSsh } from './connect.ts';
import { connectedPair } from './pair.ts';
import type { AcceptOptions, ConnectOptions, PublicKeyOffer, SshConnection } from './ssh.ts';

const keys = makeKeys();
const hostAuthority = makeSshAuthority();
const userAuthority = makeSshAuthority();
const host = certified(keys.p256, 'host', ['node-1'], hostAuthority);
const user = certified(keys.ed25519, 'user', ['joe'], userAuthority);
const NOTHING = new Uint8Array();

interface Outcome {
  readonly connection?: SshConnection;
  readonly error?: unknown;
}

/** A whole connection by certificates; what each end says of it. */
async function attempt(
  client: Partial<ConnectOptions> = {},
  server: Partial<AcceptOptions<PublicKeyOffer>> = {},
  sockets: readonly [Duplex, Duplex] = duplexPair(),
): Promise<{ client: Outcome; server: Outcome; lastUser: string | undefined }> {
  let lastUser: string | undefined;
  const accepted = new Promise<Outcome>((resolve) => {
    acceptSsh({
      socket: sockets[1],
      clock: systemClock,
      log: silentLog,
      hostKeys: [host],
      authenticate(offer) {
        const { blob } = offer;
        const context = { type: 'user', authorities: [userAuthority.publicKey], now: Date.now() } as const;
        verifySshCertificate(blob, { ...context, principal: offer.user });
        return { accept: true, identity: offer };
      },
      serve(connection) {
        resolve({ connection });
        return {};
      },
      onRefused(error, last) {
        lastUser = last;
        resolve({ error });
      },
      ...server,
    });
  });
  const connecting = connectSsh({
    socket: sockets[0],
    clock: systemClock,
    log: silentLog,
    user: 'joe',
    keys: [user],
    verifyHost({ blob }) {
      const context = { type: 'host', authorities: [hostAuthority.publicKey], now: Date.now() } as const;
      verifySshCertificate(blob, { ...context, principal: 'node-1' });
    },
    ...client,
  }).then(
    (connection) => ({ connection }),
    (error: unknown) => ({ error }),
  );
  const [ours, theirs] = await Promise.all([connecting, accepted]);
  return { client: ours, server: theirs, lastUser };
}

describe('both ends', () => {
  test('ok: certificates on both sides; the session has one id', async () => {
    const { client, server } = await attempt();
    expect(client.connection!.sessionId).toEqual(server.connection!.sessionId);
    expect([await client.connection!.probe(), await server.connection!.probe()]).toEqual([true, true]);
    client.connection!.disconnect(11, 'done');
    expect(await Promise.all([client.connection!.closed, server.connection!.closed])).toEqual([
      undefined,
      undefined,
    ]);
  });

  test.each(Object.entries(keys))('ok: a %s key in the certificate', async (_, privateKey) => {
    const { client } = await attempt({ keys: [certified(privateKey, 'user', ['joe'], userAuthority)] });
    expect(await client.connection?.probe()).toBe(true);
    client.connection!.disconnect(11, 'done');
  });

  test('ok: a large message both ways at once, more than windows and buffers hold', async () => {
    const sizes = { up: 0, down: 0 };
    const pair = await connectedPair({
      clock: systemClock,
      server: {
        onChannel(opening) {
          const channel = opening.accept({
            onData(data) {
              sizes.up += data.length;
              channel.consumed(data.length);
            },
          });
          channel.write(Buffer.alloc(30_000_000));
          channel.end();
        },
      },
    });
    const channel = await pair.client.open('test', NOTHING, {
      onData(data) {
        sizes.down += data.length;
        channel.consumed(data.length);
      },
    });
    channel.write(Buffer.alloc(20_000_000));
    await until('all has arrived', () => sizes.up === 20_000_000 && sizes.down === 30_000_000);
    await pair.close();
  });

  test('S33 ok: a reader that is stuck stops its own channel only', async () => {
    let got = 0;
    const pair = await connectedPair({
      clock: systemClock,
      server: {
        onChannel(opening) {
          const channel = opening.accept({
            onData(data) {
              if (opening.type === 'stuck') return;
              got += data.length;
              channel.consumed(data.length);
            },
          });
        },
      },
    });
    let written = 0;
    const fill = (): void => {
      for (let goesOn = true; goesOn; written += 65_536) goesOn = stuck.write(Buffer.alloc(65_536));
    };
    const stuck = await pair.client.open('stuck', NOTHING, { onDrain: fill });
    fill();
    // Its window, and what it may have waiting.
    await until('it is stuck', () => written > 2 ** 21);
    const flowing = await pair.client.open('flowing', NOTHING, {
      onDrain: () => void flowing.write(Buffer.alloc(65_536)),
    });
    flowing.write(Buffer.alloc(10_000_000));
    await until('the other channel gets on', () => got >= 10_000_000);
    expect([stuck.room, written < 2 ** 21 + 200_000]).toEqual([0, true]);
    await pair.close();
  });

  test('ok: all promises settle when the socket is cut', async () => {
    const sockets = duplexPair();
    const { client } = await attempt({}, {}, sockets);
    const connection = client.connection!;
    const opening = connection.open('test', NOTHING, {});
    const asked = connection.request('x', NOTHING);
    sockets[0].destroy();
    await expect(opening).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect([await asked, (await connection.closed)?.code]).toEqual([undefined, 'UNAVAILABLE']);
  });
});

describe('S1 S2 S30 who is not let in, and whom we do not trust', () => {
  const mallory = makeSshAuthority();
  test.each<[string, Partial<ConnectOptions>]>([
    ['a plain key', { keys: [{ privateKey: keys.ed25519 }] }],
    ['a certificate of another authority', { keys: [certified(keys.ed25519, 'user', ['joe'], mallory)] }],
    ['a certificate for another user', { user: 'root' }],
    ['a host certificate', { keys: [certified(keys.ed25519, 'host', ['joe'], userAuthority)] }],
    ['S2 a certificate without its key', { keys: [{ ...user, privateKey: makeKeys().ed25519 }] }],
  ])('S1 refuses: %s', async (_, change) => {
    const { client, server, lastUser } = await attempt(change);
    expect(client.error).toMatchObject({ code: 'ACCESS_DENIED', details: { methods: ['publickey'] } });
    expect(server.error).toBeInstanceOf(GatehouseError);
    expect(lastUser).toBe(change.user ?? 'joe');
  });

  test('S2 refuses: a signature that was made for another session', async () => {
    let stolen: Uint8Array = NOTHING;
    const { signSsh } = await import('#core/certs/ssh/signature.ts');
    const algorithm = 'ssh-ed25519-cert-v01@openssh.com';
    const asAgent = (sign: (data: Uint8Array) => Uint8Array): ConnectOptions['keys'] => [
      { blob: user.certificate, algorithms: [algorithm], sign: async (_, data) => sign(data) },
    ];
    const first = await attempt({
      keys: asAgent((data) => (stolen = signSsh(keys.ed25519, 'ssh-ed25519', data))),
    });
    first.client.connection!.disconnect(11, 'done');
    const second = await attempt({ keys: asAgent(() => stolen) });
    expect(second.client.error).toMatchObject({ code: 'ACCESS_DENIED' });
    expect(second.server.connection).toBeUndefined();
  });

  test.each<[string, AcceptOptions<unknown>['hostKeys'][number]]>([
    ['a plain host key', { privateKey: keys.p256 }],
    ['a certificate of another authority', certified(keys.p256, 'host', ['node-1'], mallory)],
    ['a certificate for another host', certified(keys.p256, 'host', ['node-2'], hostAuthority)],
    ['a user certificate', certified(keys.p256, 'user', ['node-1'], hostAuthority)],
  ])('S30 refuses: %s', async (_, hostKey) => {
    const { client, server } = await attempt({}, { hostKeys: [hostKey] });
    expect(client.error).toMatchObject({ code: 'CERTIFICATE_INVALID' });
    expect(server.error).toBeInstanceOf(GatehouseError);
  });

  test('S30 refuses: a host certificate without its key', async () => {
    const { client } = await attempt({}, { hostKeys: [{ ...host, privateKey: makeKeys().p256 }] });
    expect(client.error).toBeInstanceOf(GatehouseError);
  });

  test('refuses: a key that cannot be used, before a byte is sent', async () => {
    const [near, far] = duplexPair();
    const options = { socket: near, clock: systemClock, log: silentLog, user: 'joe', verifyHost() {} };
    const keysOfNoUse = [{ privateKey: keys.ed25519, certificate: Buffer.from('0000000178', 'hex') }];
    await expect(connectSsh({ ...options, keys: keysOfNoUse })).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
    expect([near.destroyed, far.readableLength]).toEqual([true, 0]);
  });
});

describe('S32 who is slow', () => {
  test('S32 refuses: a client that says nothing, or does not log in, within the time', async () => {
    for (const isAsking of [false, true]) {
      const clock = new FakeClock();
      const [near, far] = duplexPair();
      let refused: GatehouseError | undefined;
      acceptSsh({
        socket: far,
        clock,
        log: silentLog,
        limits: { loginGraceMs: 5000 },
        hostKeys: [host],
        // The judge never answers either.
        authenticate: () => new Promise<never>(() => {}),
        serve: () => ({}),
        onRefused: (error) => (refused = error),
      });
      if (isAsking) {
        const common = { socket: near, clock: systemClock, log: silentLog, user: 'joe' };
        void connectSsh({ ...common, keys: [user], verifyHost() {} }).catch(() => {});
      }
      await clock.advance(4999);
      expect(refused).toBeUndefined();
      near.resume();
      await clock.advance(1);
      // The last words are given their second.
      await clock.advance(1000);
      await until('it is refused', () => refused);
      expect(refused).toMatchObject({ code: 'UNAVAILABLE' });
    }
  });
});

test('ok: a server that cannot serve ends the connection', async () => {
  const [near, far] = duplexPair();
  acceptSsh({
    socket: far,
    clock: systemClock,
    log: silentLog,
    hostKeys: [host],
    authenticate: () => ({ accept: true, identity: 'joe' }),
    serve() {
      throw new Error('bug');
    },
  });
  const common = { socket: near, clock: systemClock, log: silentLog, user: 'joe' };
  const connection = await connectSsh({ ...common, keys: [user], verifyHost() {} });
  expect(await connection.closed).toBeUndefined();
});
