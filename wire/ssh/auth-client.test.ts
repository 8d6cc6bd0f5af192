import { describe, expect, test } from 'vitest';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { requireSshSignature, signSsh } from '#core/certs/ssh/signature.ts';
import { WireReader } from '#core/certs/ssh/wire.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { craftSshCertificate, makeKeys, makeSshAuthority, refusalOf } from '#test/kit/certs.ts';
import { FakeTransport } from '#test/kit/fake-transport.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { AuthClient } from './auth-client.ts';
import { candidateOf } from './candidates.ts';
import { startMessage } from './connection-messages.ts';
import { MSG } from './messages.ts';
import type { ConnectOptions } from './ssh.ts';
import { signedData } from './user-key.ts';

const keys = makeKeys();
const accept = startMessage(MSG.serviceAccept).string('ssh-userauth').finish();
const failure = (methods = 'publickey', isPartial = false): Uint8Array =>
  startMessage(MSG.userauthFailure)
    .string(methods)
    .raw(Uint8Array.of(isPartial ? 1 : 0))
    .finish();
const success = Uint8Array.of(MSG.userauthSuccess);
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Rig {
  readonly transport: FakeTransport;
  readonly client: AuthClient;
  readonly banners: string[];
  isIn(): boolean;
  /** What was sent since the last call: `service`, `offer ALGORITHM`, `signed ALGORITHM`. */
  asked(): string[];
}

function open(tried: ConnectOptions['keys'], signatures?: readonly string[]): Rig {
  const transport = new FakeTransport('client');
  transport.peerSignatureAlgorithms = signatures;
  const banners: string[] = [];
  let isIn = false;
  const client = new AuthClient({
    transport,
    user: 'joe',
    candidates: tried.map(candidateOf),
    onBanner: (text) => void banners.push(text),
    onSuccess: () => (isIn = true),
  });
  transport.handlers = { ...transport.handlers, onMessage: (message) => client.onMessage(message) };
  return { transport, client, banners, isIn: () => isIn, asked: () => transport.take().map(describeRequest) };
}

function describeRequest(message: Buffer): string {
  if (message[0] === MSG.serviceRequest) return 'service';
  const reader = new WireReader(message.subarray(1), refuseInput);
  for (const expected of ['joe', 'ssh-connection', 'publickey']) expect(reader.text('x', 99)).toBe(expected);
  const isSigned = reader.raw(1, 'x')[0] === 1;
  return `${isSigned ? 'signed' : 'offer'} ${reader.text('x', 99)}`;
}

const ed25519 = { privateKey: keys.ed25519 };
const agentKey = {
  blob: publicKeyFromKeyObject(keys.p256).blob,
  algorithms: ['ecdsa-sha2-nistp256'],
  sign: async (_: string, data: Uint8Array) => signSsh(keys.p256, 'ecdsa-sha2-nistp256', data),
};
const pkOk = (blob: Uint8Array, algorithm: string): Uint8Array =>
  startMessage(MSG.userauthPkOk).string(algorithm).string(blob).finish();

describe('the way in', () => {
  test('ok: a key of our own is used at once, in one round trip', () => {
    const { transport, isIn, asked } = open([ed25519]);
    const signed = transport.sent[1]!;
    expect(asked()).toEqual(['service', 'signed ssh-ed25519']);
    const key = publicKeyFromKeyObject(keys.ed25519);
    const data = signedData(transport.sessionId, 'joe', 'ssh-ed25519', key.blob);
    const reader = new WireReader(signed.subarray(data.length - transport.sessionId.length - 4), refuseInput);
    requireSshSignature(key, data, reader.bytes('the signature', 200), ['ssh-ed25519']);
    transport.receive(accept);
    transport.receive(success);
    expect(isIn()).toBe(true);
  });

  test.each<[readonly string[] | undefined, string]>([
    [undefined, 'rsa-sha2-512'],
    [['ssh-ed25519', 'rsa-sha2-256'], 'rsa-sha2-256'],
    [['rsa-sha2-256', 'rsa-sha2-512'], 'rsa-sha2-512'],
  ])('ok: an RSA key waits for what the server takes: %j', (taken, algorithm) => {
    const { transport, asked } = open([{ privateKey: keys.rsa }], taken);
    expect(asked()).toEqual(['service']);
    transport.receive(accept);
    expect(asked()).toEqual([`signed ${algorithm}`]);
  });

  test('ok: a certificate is shown, and signed for by the key in it; a server that names plain algorithms takes it', () => {
    const rsa = publicKeyFromKeyObject(keys.rsa);
    const certificate = craftSshCertificate(makeSshAuthority(), {
      algorithm: 'ssh-rsa-cert-v01@openssh.com',
      keyFields: rsa.blob.subarray(4 + 'ssh-rsa'.length),
    });
    const { transport, asked } = open([{ privateKey: keys.rsa, certificate }], ['rsa-sha2-256']);
    transport.receive(accept);
    expect(asked()).toEqual(['service', 'signed rsa-sha2-256-cert-v01@openssh.com']);
  });

  test('ok: what an agent signs for is offered first; all keys are tried in order', async () => {
    const { transport, asked, isIn } = open([ed25519, agentKey, agentKey]);
    transport.receive(accept);
    transport.receive(failure());
    expect(asked()).toEqual(['service', 'signed ssh-ed25519', 'offer ecdsa-sha2-nistp256']);
    transport.receive(failure());
    expect(asked()).toEqual(['offer ecdsa-sha2-nistp256']);
    transport.receive(pkOk(agentKey.blob, 'ecdsa-sha2-nistp256'));
    await settle();
    expect(asked()).toEqual(['signed ecdsa-sha2-nistp256']);
    transport.receive(success);
    expect(isIn()).toBe(true);
  });

  test('ok: a server that wants two keys gets two', () => {
    const { transport, asked, isIn } = open([ed25519, { privateKey: keys.p256 }]);
    transport.receive(accept);
    transport.receive(failure('publickey', true));
    expect(asked()).toEqual(['service', 'signed ssh-ed25519', 'signed ecdsa-sha2-nistp256']);
    transport.receive(success);
    expect(isIn()).toBe(true);
  });

  test('ok: banners are passed on, a flood of them is not', () => {
    const { transport, banners } = open([ed25519]);
    for (let count = 0; count < 100; count++)
      transport.receive(startMessage(MSG.userauthBanner).string(`hello ${count}`).string('').view());
    expect([banners.length, banners[0]]).toEqual([16, 'hello 0']);
  });
});

describe('no way in', () => {
  test('refuses: no key is taken', () => {
    const { transport, client } = open([ed25519]);
    transport.receive(accept);
    transport.receive(failure('publickey,password'));
    expect(client.refusal).toMatchObject({
      code: 'ACCESS_DENIED',
      message: 'the host does not take any key of "joe"',
      details: { methods: ['publickey', 'password'] },
    });
    expect(transport.ended?.disconnect).toBe(14);
  });

  test.each([
    [
      false,
      'the host takes no keys, only password, keyboard-interactive; Gatehouse has keys and certificates',
    ],
    [
      true,
      'the host takes besides a key also password, keyboard-interactive; Gatehouse has keys and certificates',
    ],
  ])('refuses: something else is asked for, partial success %s', (isPartial, message) => {
    const { transport, client } = open([ed25519, ed25519]);
    transport.receive(accept);
    transport.receive(failure('password,keyboard-interactive', isPartial));
    expect(client.refusal).toMatchObject({ code: 'ACCESS_DENIED', message });
  });

  test('refuses: a signer that fails', async () => {
    const broken = { ...agentKey, sign: () => Promise.reject(new Error('no touch')) };
    const { transport, client } = open([broken]);
    transport.receive(accept);
    transport.receive(pkOk(agentKey.blob, 'ecdsa-sha2-nistp256'));
    await settle();
    expect(client.refusal).toMatchObject({ code: 'UNAVAILABLE' });
    const ours = new GatehouseError('LOCKED', 'the agent is locked');
    const locked = open([{ ...agentKey, sign: () => Promise.reject(ours) }]);
    locked.transport.receive(accept);
    locked.transport.receive(pkOk(agentKey.blob, 'ecdsa-sha2-nistp256'));
    await settle();
    expect([locked.client.refusal, locked.transport.ended?.disconnect]).toEqual([ours, 13]);
  });

  test('refuses: a key that is none, before anything is said', () => {
    const junk = Buffer.from('0000000461626364', 'hex');
    expect(refusalOf(() => candidateOf({ privateKey: keys.ed25519, certificate: junk }))).toBe(
      'BAD_REQUEST unsupported-key',
    );
    expect(refusalOf(() => candidateOf({ privateKey: keys.ed25519, certificate: new Uint8Array() }))).toBe(
      'BAD_REQUEST malformed',
    );
  });
});

describe('S29 a host that breaks the protocol', () => {
  test.each<[string, readonly Uint8Array[]]>([
    ['success before the service', [success]],
    ['a failure before the service', [failure()]],
    ['another service', [startMessage(MSG.serviceAccept).string('ssh-connection').view()]],
    ['the service twice', [accept, accept]],
    ['success with more behind it', [accept, Buffer.of(MSG.userauthSuccess, 0)]],
    ['a channel', [accept, startMessage(MSG.channelOpen).string('session').view()]],
    ['a question of another method', [accept, startMessage(61).string('x').view()]],
    [
      'S33 a banner without end',
      [startMessage(MSG.userauthBanner).string('x'.repeat(9000)).string('').view()],
    ],
    ['an answer to a key that was not offered', [accept, pkOk(agentKey.blob, 'ecdsa-sha2-nistp256')]],
  ])('S29 refuses: %s', (_, messages) => {
    const { transport, isIn } = open([ed25519]);
    for (const message of messages) transport.receive(message);
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
    expect(isIn()).toBe(false);
  });

  test.each<[string, Uint8Array]>([
    ['success for a mere offer', success],
    ['another key than the one offered', pkOk(publicKeyFromKeyObject(keys.rsa).blob, 'ecdsa-sha2-nistp256')],
    ['another algorithm than the one offered', pkOk(agentKey.blob, 'ssh-ed25519')],
  ])('S2 refuses: %s', async (_, message) => {
    const { transport, isIn, asked } = open([agentKey]);
    transport.receive(accept);
    asked();
    transport.receive(message);
    await settle();
    expect(transport.ended?.error).toMatchObject({ code: 'BAD_REQUEST' });
    expect([isIn(), asked()]).toEqual([false, []]);
  });
});
