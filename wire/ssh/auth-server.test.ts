import { describe, expect, test } from 'vitest';
import { refuseCertificate } from '#core/certs/refusal.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { signSsh } from '#core/certs/ssh/signature.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import type { SshSignatureAlgorithm } from '#core/certs/ssh/algorithms.ts';
import { silentLog } from '#core/log.ts';
import { craftSshCertificate, makeKeys, makeSshAuthority, NOW } from '#test/kit/certs.ts';
import { FakeTransport } from '#test/kit/fake-transport.ts';
import { AuthServer } from './auth-server.ts';
import { startMessage } from './connection-messages.ts';
import { MSG } from './messages.ts';
import type { AuthAnswer, PublicKeyOffer } from './ssh.ts';
import { publicKeyRequest, signedData } from './user-key.ts';

const keys = makeKeys();
const other = makeKeys();
const blob = publicKeyFromKeyObject(keys.ed25519).blob;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Rig {
  readonly transport: FakeTransport;
  readonly server: AuthServer<string>;
  readonly offers: PublicKeyOffer[];
  readonly successes: string[];
  /** Names of what the server sent since the last call. */
  answers(): string[];
}

type Judge = (offer: PublicKeyOffer) => AuthAnswer<string> | Promise<AuthAnswer<string>>;
const everybody: Judge = ({ user }) => ({ accept: true, identity: user });

function open(judge: Judge = everybody, hasService = true): Rig {
  const transport = new FakeTransport('server');
  const offers: PublicKeyOffer[] = [];
  const successes: string[] = [];
  const server = new AuthServer<string>({
    transport,
    log: silentLog,
    maxAuthTries: 6,
    authenticate(offer) {
      offers.push(offer);
      return judge(offer);
    },
    onSuccess: (identity, user) => void successes.push(`${identity}/${user}`),
  });
  transport.handlers = { ...transport.handlers, onMessage: (message) => server.onMessage(message) };
  if (hasService) transport.receive(startMessage(MSG.serviceRequest).string('ssh-userauth').view());
  const names = new Map(Object.entries(MSG).map(([name, number]) => [number as number, name]));
  const answers = (): string[] => transport.take().map((message) => names.get(message[0]!)!);
  if (hasService) expect(answers()).toEqual(['serviceAccept']);
  return { transport, server, offers, successes, answers };
}

const offer = (user = 'joe', key: Uint8Array = blob, algorithm = 'ssh-ed25519'): Uint8Array =>
  publicKeyRequest(user, algorithm, key, false).view();

interface SignedParts {
  user: string;
  signedUser: string;
  algorithm: string;
  signedAlgorithm: string;
  blob: Uint8Array;
  session: Uint8Array;
  privateKey: (typeof keys)['rsa'];
  signatureAlgorithm: SshSignatureAlgorithm;
  signature?: Uint8Array;
}

function signed(transport: FakeTransport, change: Partial<SignedParts> = {}): Uint8Array {
  const user = change.user ?? 'joe';
  const algorithm = change.algorithm ?? 'ssh-ed25519';
  const parts: SignedParts = {
    user,
    signedUser: user,
    algorithm,
    signedAlgorithm: algorithm,
    blob,
    session: transport.sessionId,
    privateKey: keys.ed25519,
    signatureAlgorithm: 'ssh-ed25519',
    ...change,
  };
  const data = signedData(parts.session, parts.signedUser, parts.signedAlgorithm, parts.blob);
  const signature = parts.signature ?? signSsh(parts.privateKey, parts.signatureAlgorithm, data);
  return publicKeyRequest(user, algorithm, parts.blob, true).string(signature).view();
}

const method = (name: string, user = 'joe', service = 'ssh-connection'): Uint8Array =>
  startMessage(MSG.userauthRequest).string(user).string(service).string(name).view();

describe('the way in', () => {
  test('ok: none says which methods there are, an offer is taken, a signature lets in', () => {
    const { transport, offers, successes, answers } = open();
    transport.receive(method('none'));
    expect(transport.sent[0]).toEqual(
      Buffer.concat([startMessage(MSG.userauthFailure).string('publickey').view(), Buffer.of(0)]),
    );
    transport.take();
    transport.receive(offer());
    expect(transport.take()).toEqual([
      Buffer.from(startMessage(MSG.userauthPkOk).string('ssh-ed25519').string(blob).view()),
    ]);
    expect(successes).toEqual([]);
    transport.receive(signed(transport));
    expect(offers.map(({ proven, user }) => [proven, user])).toEqual([
      [false, 'joe'],
      [true, 'joe'],
    ]);
    expect(offers[1]!.blob).toEqual(Buffer.from(blob));
    // SUCCESS is sent by who is told.
    expect([successes, answers()]).toEqual([['joe/joe'], []]);
    transport.receive(signed(transport));
    expect([successes, answers(), offers.length]).toEqual([['joe/joe'], [], 2]);
  });

  test('ok: without an offer first, and with an answer that takes its time', async () => {
    let answer: (answer: AuthAnswer<string>) => void = () => {};
    const { transport, successes, offers } = open(() => new Promise((resolve) => (answer = resolve)));
    transport.receive(signed(transport));
    // Meanwhile nothing else is looked at.
    transport.receive(signed(transport, { user: 'root' }));
    expect([transport.isPaused, successes, offers.length]).toEqual([true, [], 1]);
    answer({ accept: true, identity: 'joe' });
    await settle();
    expect([transport.isPaused, successes, offers.length]).toEqual([false, ['joe/joe'], 1]);
  });

  test.each<[string, keyof typeof keys, SshSignatureAlgorithm]>([
    ['ssh-ed25519', 'ed25519', 'ssh-ed25519'],
    ['ecdsa-sha2-nistp256', 'p256', 'ecdsa-sha2-nistp256'],
    ['ecdsa-sha2-nistp384', 'p384', 'ecdsa-sha2-nistp384'],
    ['ecdsa-sha2-nistp521', 'p521', 'ecdsa-sha2-nistp521'],
    ['rsa-sha2-256', 'rsa', 'rsa-sha2-256'],
    ['rsa-sha2-512', 'rsa', 'rsa-sha2-512'],
  ])('ok: %s, as a key and in a certificate', (algorithm, name, signatureAlgorithm) => {
    const privateKey = keys[name];
    const key = publicKeyFromKeyObject(privateKey);
    const plain = open();
    plain.transport.receive(
      signed(plain.transport, { algorithm, blob: key.blob, privateKey, signatureAlgorithm }),
    );
    expect(plain.successes).toEqual(['joe/joe']);
    const certificate = craftSshCertificate(makeSshAuthority(), {
      algorithm: `${key.algorithm}-cert-v01@openssh.com`,
      keyFields: key.blob.subarray(4 + key.algorithm.length),
    });
    const certified = open();
    certified.transport.receive(
      signed(certified.transport, {
        algorithm: `${algorithm}-cert-v01@openssh.com`,
        blob: certificate,
        privateKey,
        signatureAlgorithm,
      }),
    );
    expect(certified.successes).toEqual(['joe/joe']);
  });
});

describe('S2 what is no proof', () => {
  const rsa = publicKeyFromKeyObject(keys.rsa).blob;
  const certificate = craftSshCertificate(makeSshAuthority(), {
    keyFields: blob.subarray(4 + 'ssh-ed25519'.length),
  });
  const cases: readonly (readonly [string, Partial<SignedParts>])[] = [
    ['a signature over another session', { session: Buffer.alloc(32) }],
    ['a signature for another user', { signedUser: 'root' }],
    ['a signature by another key', { privateKey: other.ed25519 }],
    ['a signature over another algorithm', { signedAlgorithm: 'ssh-rsa' }],
    ['an empty signature', { signature: new Uint8Array() }],
    ['a signature that is the key', { signature: blob }],
    [
      'another signature algorithm than the one negotiated',
      { algorithm: 'rsa-sha2-512', blob: rsa, privateKey: keys.rsa, signatureAlgorithm: 'rsa-sha2-256' },
    ],
    ['SHA-1', { algorithm: 'ssh-rsa', blob: rsa, privateKey: keys.rsa, signatureAlgorithm: 'rsa-sha2-256' }],
    [
      'a key under the name of another type',
      { algorithm: 'ssh-ed25519', blob: rsa, privateKey: keys.rsa, signatureAlgorithm: 'rsa-sha2-512' },
    ],
    ['a certificate under the name of a key', { blob: certificate }],
    ['a key under the name of a certificate', { algorithm: 'ssh-ed25519-cert-v01@openssh.com' }],
    [
      'a certificate with a signature by another key',
      { algorithm: 'ssh-ed25519-cert-v01@openssh.com', blob: certificate, privateKey: other.ed25519 },
    ],
    ['a key that is cut', { blob: blob.subarray(0, -1) }],
    ['a key that is longer', { blob: Buffer.concat([blob, Buffer.of(0)]) }],
    ['an algorithm that nobody knows', { algorithm: 'sk-ssh-ed25519@openssh.com' }],
  ];

  test.each(cases)('S2 refuses: %s', (_, change) => {
    const { transport, successes, offers, answers } = open();
    transport.receive(signed(transport, change));
    expect([successes, offers.filter(({ proven }) => proven), answers()]).toEqual([
      [],
      [],
      ['userauthFailure'],
    ]);
    expect(transport.ended).toBeUndefined();
    // And an offer before it changes nothing.
    transport.receive(offer());
    transport.receive(signed(transport, change));
    expect([successes, answers()]).toEqual([[], ['userauthPkOk', 'userauthFailure']]);
  });

  test('S2 refuses: an offer alone, however often', () => {
    const { transport, successes, offers } = open();
    for (let count = 0; count < 100; count++) transport.receive(offer());
    expect([successes, offers.some(({ proven }) => proven)]).toEqual([[], false]);
    expect(transport.ended?.disconnect).toBe(14);
  });

  test('S1 S3 refuses: certificates in which a certificate or a list of names hides', () => {
    const authority = makeSshAuthority();
    const nested = {
      algorithm: 'ssh-ed25519-cert-v01@openssh.com-cert-v01@openssh.com',
    };
    for (const bad of [
      craftSshCertificate(authority, { authorityBlob: craftSshCertificate(authority) }),
      craftSshCertificate(authority, nested),
      craftSshCertificate(authority, { principals: ['joe,root'] }),
      craftSshCertificate(authority, { principals: ['joe\0root'] }),
      craftSshCertificate(authority, { principals: [] }),
    ]) {
      const { transport, successes, answers } = open((shown) => {
        const context = { type: 'user', authorities: [authority.publicKey], now: NOW } as const;
        verifySshCertificate(shown.blob, { ...context, principal: 'joe' });
        return { accept: true, identity: 'in' };
      });
      const change = { algorithm: 'ssh-ed25519-cert-v01@openssh.com', blob: bad };
      transport.receive(signed(transport, change));
      transport.receive(offer('joe', bad, change.algorithm));
      expect([successes, answers()]).toEqual([[], ['userauthFailure', 'userauthFailure']]);
    }
  });
});

describe('S4 what one request proves is forgotten in the next', () => {
  test('S4 refuses: the key of one user for another, in every order', () => {
    // Joe's key is good for joe only.
    const joeOnly: Judge = ({ user }) =>
      user === 'joe' ? { accept: true, identity: 'joe' } : { accept: false };
    const steps: readonly ((transport: FakeTransport) => Uint8Array)[] = [
      () => offer('joe'),
      () => offer('root'),
      (transport) => signed(transport, { user: 'root' }),
      (transport) => signed(transport, { user: 'root', signedUser: 'joe' }),
      (transport) => signed(transport, { user: 'joe', signedUser: 'root' }),
    ];
    for (const first of steps) {
      for (const second of steps) {
        for (const third of steps) {
          const { transport, successes, answers } = open(joeOnly);
          for (const step of [first, second, third]) transport.receive(step(transport));
          expect(successes).toEqual([]);
          expect(answers()).toHaveLength(3);
          transport.receive(signed(transport));
          expect(successes).toEqual(['joe/joe']);
        }
      }
    }
  });

  test('S4 refuses: another service, at once', () => {
    for (const message of [method('none', 'joe', 'ssh-userauth'), method('publickey', 'joe', '')]) {
      const { transport, server, successes } = open();
      transport.receive(message);
      transport.receive(signed(transport));
      expect([transport.ended?.disconnect, successes]).toEqual([7, []]);
      expect(server.refusal).toMatchObject({ code: 'NOT_SUPPORTED' });
    }
  });
});

describe('limits', () => {
  test('S7 refuses: more tries than allowed; the first none is free, other methods are not', () => {
    const { transport, server, answers } = open(() => ({ accept: false }));
    for (let count = 0; count < 3; count++) transport.receive(method('none'));
    transport.receive(method('password'));
    transport.receive(offer());
    transport.receive(signed(transport));
    expect(transport.ended).toBeUndefined();
    transport.receive(signed(transport, { user: 'another' }));
    expect(transport.ended?.disconnect).toBe(14);
    expect(answers()).toEqual(Array.from({ length: 6 }, () => 'userauthFailure'));
    expect([server.lastUser, server.refusal?.code]).toEqual(['another', 'UNAUTHENTICATED']);
  });

  test('ok: a judge that throws or rejects refuses, and its reason stays inside', async () => {
    for (const judge of [
      () => {
        throw new Error('secret');
      },
      () => {
        throw refuseCertificate('expired', 'secret');
      },
      () => Promise.reject(new Error('secret')),
    ] as Judge[]) {
      const { transport, successes } = open(judge);
      transport.receive(signed(transport));
      await settle();
      const [answer] = transport.take();
      expect([answer![0], transport.ended, successes]).toEqual([MSG.userauthFailure, undefined, []]);
      expect(answer!.toString('latin1')).not.toContain('secret');
    }
  });

  test('ok: why is told in a banner, once', () => {
    const { transport, answers } = open(() => ({ accept: false, message: 'access denied (denial 7)' }));
    transport.receive(offer());
    expect(transport.sent[0]!.toString('latin1')).toContain('access denied (denial 7)\r\n');
    transport.receive(signed(transport));
    expect(answers()).toEqual(['userauthBanner', 'userauthFailure', 'userauthFailure']);
  });

  test('ok: an answer after the end changes nothing', async () => {
    let answer: (answer: AuthAnswer<string>) => void = () => {};
    const { transport, server, successes } = open(() => new Promise((resolve) => (answer = resolve)));
    transport.receive(signed(transport));
    server.stop();
    answer({ accept: true, identity: 'joe' });
    await settle();
    expect([successes, transport.take()]).toEqual([[], []]);
  });
});

describe('S29 order', () => {
  test.each<[string, Uint8Array, boolean]>([
    ['a request before the service', method('none'), false],
    [
      'a second request for the service',
      startMessage(MSG.serviceRequest).string('ssh-userauth').view(),
      true,
    ],
    ['a channel', startMessage(MSG.channelOpen).string('session').uint32(0).view(), true],
    ['a success of its own', Uint8Array.of(MSG.userauthSuccess), true],
    ['an answer to a key', startMessage(MSG.userauthPkOk).string('a').string('b').view(), true],
    ['a request that is cut', startMessage(MSG.userauthRequest).string('joe').view(), true],
    ['a user that is not UTF-8', Buffer.concat([method('none')]).fill(0xff, 5, 6), true],
    ['S33 a name without end', method('none', 'j'.repeat(256)), true],
  ])('S29 refuses: %s', (_, message, hasService) => {
    const { transport, successes } = open(everybody, hasService);
    transport.receive(message);
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
    expect(successes).toEqual([]);
  });

  test('refuses: another service than ssh-userauth', () => {
    const { transport, server } = open(everybody, false);
    transport.receive(startMessage(MSG.serviceRequest).string('ssh-connection').view());
    expect([transport.ended?.disconnect, server.refusal?.code]).toEqual([7, 'NOT_SUPPORTED']);
  });
});
