// The ssh-agent that runs for this user: it is given the certificate of a login for as long as that is good, and forgets
// it at logout. Messages as in draft-ietf-sshm-ssh-agent 5: one request, one answer, one connection.
import type { KeyObject } from 'node:crypto';
import { connect } from 'node:net';
import { WireWriter } from '#core/certs/ssh/wire.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';

const ADD_ID_CONSTRAINED = 25;
const REMOVE_IDENTITY = 18;
const SUCCESS = 6;
const CONSTRAIN_LIFETIME = 1;
const ANSWER_MS = 5000;
/** The answers to these requests have one byte. */
const MAX_ANSWER_BYTES = 256;

export interface AgentOptions {
  /** SSH_AUTH_SOCK. */
  readonly path: string;
  readonly clock: Clock;
}

export interface AgentIdentity {
  /** Ed25519. */
  readonly privateKey: KeyObject;
  /** Wire blob. */
  readonly certificate: Uint8Array;
  readonly comment: string;
  /** Until when the agent is to keep it, milliseconds since the epoch. */
  readonly expires: number;
}

/** UNAVAILABLE when there is no agent, or it takes no keys. */
export async function addToAgent(options: AgentOptions, identity: AgentIdentity): Promise<void> {
  const { privateKey, certificate, comment, expires } = identity;
  const { x = '', d = '' } = privateKey.export({ format: 'jwk' }) as { x?: string; d?: string };
  const publicPart = Buffer.from(x, 'base64url');
  const seconds = Math.max(1, Math.floor((expires - options.clock.now()) / 1000));
  const request = new WireWriter(2048)
    .raw(Uint8Array.of(ADD_ID_CONSTRAINED))
    .string('ssh-ed25519-cert-v01@openssh.com')
    .string(certificate)
    .string(publicPart)
    .string(Buffer.concat([Buffer.from(d, 'base64url'), publicPart]))
    .string(comment)
    .raw(Uint8Array.of(CONSTRAIN_LIFETIME))
    .uint32(Math.min(seconds, 0xffff_ffff))
    .finish();
  await requireSuccess(options, request, 'the ssh-agent does not take the certificate');
}

/** UNAVAILABLE when there is no agent, or it does not hold this certificate. */
export async function removeFromAgent(options: AgentOptions, certificate: Uint8Array): Promise<void> {
  const request = new WireWriter(2048).raw(Uint8Array.of(REMOVE_IDENTITY)).string(certificate).finish();
  await requireSuccess(options, request, 'the ssh-agent does not hold the certificate');
}

async function requireSuccess(options: AgentOptions, request: Uint8Array, otherwise: string): Promise<void> {
  const answer = await ask(options, request);
  if (answer[0] !== SUCCESS) throw new GatehouseError('UNAVAILABLE', otherwise);
}

function ask({ path, clock }: AgentOptions, request: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (run: () => void): void => {
      timer.cancel();
      socket.destroy();
      run();
    };
    const fail = (cause?: unknown): void =>
      settle(() =>
        reject(new GatehouseError('UNAVAILABLE', `the ssh-agent at ${path} does not answer`, { cause })),
      );
    const timer = clock.after(ANSWER_MS, () => fail());
    socket.once('error', fail).once('close', () => fail());
    socket.on('data', (part: Buffer) => {
      bytes = Buffer.concat([bytes, part]);
      if (bytes.length < 4) return;
      const length = bytes.readUInt32BE(0);
      if (length === 0 || length > MAX_ANSWER_BYTES) fail();
      else if (bytes.length >= 4 + length) settle(() => resolve(bytes.subarray(4, 4 + length)));
    });
    socket.write(new WireWriter(2048).string(request).finish());
  });
}
