// The login at the database, in the client's place: startup message, whatever proof the server wants, up to the point where
// it takes queries.
import type { Duplex } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';
import { malformed } from '#wire/postgres/malformed.ts';
import { SERVER } from '#wire/postgres/protocol.ts';
import { beginScram, SCRAM_MECHANISM, type ScramExchange } from '#wire/postgres/scram.ts';
import {
  readAuthentication,
  readBackendKey,
  readError,
  readParameterStatus,
  type PostgresError,
} from '#wire/postgres/server-messages.ts';
import { nextPiece } from '#wire/postgres/startup.ts';
import { message, passwordMessage, startupPacket, uint32 } from '#wire/postgres/write.ts';
import type { DbUpstream } from '../connect.ts';
import type { ClientLogin } from './read-login.ts';

export interface UpstreamSession {
  /** Of the server's own cancel key; undefined when it gave none. */
  readonly key: { readonly processId: number; readonly secret: number } | undefined;
  /** What the client is to hear: parameters and notices, as the server sent them. */
  readonly greeting: readonly Buffer[];
  readonly version: string | undefined;
}

export type UpstreamLogin =
  | { readonly ok: true; readonly session: UpstreamSession }
  | { readonly ok: false; readonly error: PostgresError };

const MAX_LOGIN_MESSAGE = 64 * 1024;
const MAX_LOGIN_MESSAGES = 1000;
const MAX_LOGIN_BYTES = 1024 * 1024;
const HEADER_BYTES = 5;

/**
 * Logs in on a connection that nothing was written to; afterwards it is paused, with all that came later still in it.
 * UNAVAILABLE when the server leaves, UNAUTHENTICATED or NOT_SUPPORTED when it wants what we have not; BAD_REQUEST when it
 * speaks something else.
 */
export async function logIn(upstream: DbUpstream, login: ClientLogin): Promise<UpstreamLogin> {
  const { stream } = upstream;
  stream.write(startupPacket([['user', login.user], ['database', login.database], ...login.parameters]));
  const reader = new MessageReader(stream);
  const proof = new Proof(upstream);
  const greeting: Buffer[] = [];
  let key: UpstreamSession['key'];
  let version: string | undefined;
  for (let n = 0, bytes = 0; n < MAX_LOGIN_MESSAGES && bytes < MAX_LOGIN_BYTES; n++) {
    const { type, content } = await reader.next();
    bytes += content.length;
    switch (type) {
      case SERVER.authentication:
        await proof.answer(content);
        break;
      case SERVER.error:
        return { ok: false, error: readError(content, 0, content.length) };
      case SERVER.backendKeyData:
        key = readBackendKey(content);
        break;
      case SERVER.parameterStatus: {
        const { name, value } = readParameterStatus(content);
        if (name === 'server_version') version = value;
        greeting.push(message(type, content));
        break;
      }
      case SERVER.notice:
        greeting.push(message(type, content));
        break;
      case SERVER.ready:
        reader.leaveRest();
        return { ok: true, session: { key, greeting, version } };
      default:
        throw malformed('the database sent an unexpected message at the login');
    }
  }
  throw malformed('the login at the database does not end');
}

/** What the server asks for, one request after the other. */
class Proof {
  readonly #upstream: DbUpstream;
  #scram: ScramExchange | undefined;
  #isOwed = false;

  constructor(upstream: DbUpstream) {
    this.#upstream = upstream;
  }

  async answer(content: Buffer): Promise<void> {
    const request = readAuthentication(content);
    const { stream } = this.#upstream;
    switch (request.method) {
      case 'ok':
        if (this.#isOwed) throw malformed('the database did not prove that it knows the password');
        return;
      case 'cleartext':
        stream.write(passwordMessage(await this.#password()));
        return;
      case 'sasl': {
        if (!request.mechanisms.includes(SCRAM_MECHANISM)) throw unsupported(request.mechanisms.join(', '));
        this.#scram = beginScram(await this.#password());
        this.#isOwed = true;
        const first = Buffer.from(this.#scram.first);
        stream.write(passwordMessage(SCRAM_MECHANISM, uint32(first.length), first));
        return;
      }
      case 'sasl-continue': {
        const reply = await this.#exchange().respond(request.data.toString());
        stream.write(passwordMessage(Buffer.from(reply)));
        return;
      }
      case 'sasl-final':
        this.#exchange().verify(request.data.toString());
        this.#isOwed = false;
        return;
      case 'md5':
        throw unsupported('an MD5 password');
      case 'other':
        throw unsupported(`authentication of type ${request.code}`);
    }
  }

  #exchange(): ScramExchange {
    if (this.#scram === undefined) throw malformed('an answer of SCRAM that nobody asked for');
    return this.#scram;
  }

  #password(): Promise<string> {
    const { password, isTls } = this.#upstream;
    if (password !== undefined && isTls) return password();
    throw new GatehouseError(
      'UNAUTHENTICATED',
      'the database asks for a password and Gatehouse has none for it: it must ask for client certificates, or take IAM authentication',
    );
  }
}

function unsupported(what: string): GatehouseError {
  return new GatehouseError('NOT_SUPPORTED', `the database asks for ${what}, which Gatehouse does not do`);
}

/** Whole messages from a paused stream; they are small at the login. */
class MessageReader {
  readonly #stream: Duplex;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(stream: Duplex) {
    this.#stream = stream;
  }

  async next(): Promise<{ readonly type: number; readonly content: Buffer }> {
    for (;;) {
      const length = this.#length();
      if (length !== undefined && this.#bytes.length >= length) {
        const whole = this.#bytes.subarray(0, length);
        this.#bytes = this.#bytes.subarray(length);
        return { type: whole[0] ?? 0, content: whole.subarray(HEADER_BYTES) };
      }
      const more = await nextPiece(this.#stream);
      if (more === undefined) {
        throw new GatehouseError('UNAVAILABLE', 'the database closed the connection at the login');
      }
      this.#bytes = this.#bytes.length === 0 ? more : Buffer.concat([this.#bytes, more]);
    }
  }

  leaveRest(): void {
    if (this.#bytes.length > 0) this.#stream.unshift(this.#bytes);
  }

  #length(): number | undefined {
    if (this.#bytes.length < HEADER_BYTES) return undefined;
    const length = this.#bytes.readUInt32BE(1) + 1;
    if (length < HEADER_BYTES || length > MAX_LOGIN_MESSAGE)
      throw malformed('a message at the login is too long');
    return length;
  }
}
