// Fuzz target: the messages of a connection, several in a row, to both roles and before and after authentication. Each
// must be handled or end the connection by an error of ours; what comes after the end must change nothing.
import { generateKeyPairSync } from 'node:crypto';
import { systemClock } from '#core/clock.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { silentLog } from '#core/log.ts';
import { AuthClient } from './auth-client.ts';
import { AuthServer } from './auth-server.ts';
import { candidateOf } from './candidates.ts';
import { numbersMessage, startMessage } from './connection-messages.ts';
import { Connection } from './connection.ts';
import { sshLimits } from './limits.ts';
import { MSG } from './messages.ts';
import type { ChannelReceiver } from './ssh.ts';
import type { Transport, TransportHandlers } from './transport-contract.ts';
import { publicKeyRequest } from './user-key.ts';

const { privateKey } = generateKeyPairSync('ed25519');
const key = publicKeyFromKeyObject(privateKey);
const echo: ChannelReceiver = { onData() {}, onStderr() {}, onRequest: () => true };
const nothing = new Uint8Array();

/** Sends into the void. */
class Void implements Transport {
  readonly peerVersion = 'SSH-2.0-fuzz';
  readonly sessionId = Buffer.alloc(32, 7);
  readonly peerSignatureAlgorithms = undefined;
  readonly role: 'server' | 'client';
  handlers: TransportHandlers = { onMessage() {}, onDrain() {}, onClose() {} };
  hasEnded = false;

  constructor(role: 'server' | 'client') {
    this.role = role;
  }
  send(): boolean {
    return true;
  }
  sendData(): boolean {
    return true;
  }
  authenticated(): void {}
  pause(): void {}
  resume(): void {}
  disconnect(): void {
    this.hasEnded = true;
  }
  destroy(): void {
    this.hasEnded = true;
  }
}

const scenes: readonly ((transport: Transport) => void)[] = [
  (transport) => {
    const server = new AuthServer({
      transport,
      log: silentLog,
      maxAuthTries: 6,
      authenticate: () => ({ accept: true, identity: 'joe' }),
      onSuccess: () => {},
    });
    transport.handlers = { ...transport.handlers, onMessage: (message) => server.onMessage(message) };
  },
  (transport) => {
    const client = new AuthClient({
      transport,
      user: 'joe',
      candidates: [candidateOf({ privateKey })],
      onBanner: undefined,
      onSuccess: () => {},
    });
    transport.handlers = { ...transport.handlers, onMessage: (message) => client.onMessage(message) };
  },
  (transport) => {
    const connection = new Connection({ transport, limits: sshLimits(), clock: systemClock, log: silentLog });
    connection.serve({
      onChannel: (opening) => void opening.accept(echo).write(Buffer.from('hello')),
      onRequest: () => true,
    });
    connection.open('session', nothing, echo).catch(() => {});
    connection.request('question', nothing).catch(() => {});
  },
];

/** The scene, then messages with their lengths. */
const script = (scene: number, ...messages: readonly Uint8Array[]): Uint8Array => {
  const writer = new WireWriter().raw(Uint8Array.of(scene));
  for (const message of messages) writer.string(message);
  return writer.finish();
};
const service = startMessage(MSG.serviceRequest).string('ssh-userauth').finish();
const open = startMessage(MSG.channelOpen).string('session').uint32(1).uint32(1000).uint32(1000).finish();
const failure = startMessage(MSG.userauthFailure).string('publickey').raw(Uint8Array.of(0)).finish();
const request = startMessage(MSG.channelRequest).uint32(1).string('exec').raw(Uint8Array.of(1)).finish();

export const fuzz = {
  name: 'ssh connection messages',
  seeds: [
    script(
      0,
      service,
      startMessage(MSG.userauthRequest).string('joe').string('ssh-connection').string('none').finish(),
      publicKeyRequest('joe', 'ssh-ed25519', key.blob, false).finish(),
      publicKeyRequest('joe', 'ssh-ed25519', key.blob, true).string(nothing).finish(),
    ),
    script(
      1,
      startMessage(MSG.userauthBanner).string('hello').string('').finish(),
      startMessage(MSG.serviceAccept).string('ssh-userauth').finish(),
      failure,
    ),
    script(
      2,
      open,
      request,
      startMessage(MSG.channelData).uint32(1).string('data').finish(),
      startMessage(MSG.channelExtendedData).uint32(1).uint32(1).string('errors').finish(),
      numbersMessage(MSG.channelWindowAdjust, 1, 1000),
      numbersMessage(MSG.channelEof, 1),
      numbersMessage(MSG.channelClose, 1),
    ),
    script(
      2,
      numbersMessage(MSG.channelOpenConfirmation, 0, 5, 1000, 1000),
      startMessage(MSG.globalRequest).string('tcpip-forward').raw(Uint8Array.of(1)).finish(),
      Uint8Array.of(MSG.requestSuccess, 1, 2),
    ),
    script(2, startMessage(MSG.channelOpenFailure).uint32(0).uint32(1).string('no').string('').finish()),
  ],
  run(input: Uint8Array): void {
    const reader = new WireReader(input, refuseInput);
    const scene = (reader.raw(1, 'the scene')[0] ?? 0) % scenes.length;
    const transport = new Void(scene === 1 ? 'client' : 'server');
    scenes[scene]?.(transport);
    try {
      while (!reader.isDone && !transport.hasEnded) {
        const message = reader.bytes('a message', 64 * 1024);
        // The transport passes up what its role and stage allow, and nothing empty.
        if (message.length > 0) transport.handlers.onMessage(Buffer.from(message));
      }
    } finally {
      transport.handlers.onClose(undefined);
    }
  },
};
