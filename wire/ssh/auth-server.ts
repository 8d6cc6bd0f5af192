// User authentication, the server's side (RFC 4252): public keys and certificates only. Each request stands for itself:
// nothing that one user or one key has shown is kept for the next request, so there is no state to mix up.
//
//   SERVICE_REQUEST ──▶ requests: none → FAILURE;  offer → PK_OK or FAILURE;  signed → SUCCESS or FAILURE
import { refuseInput } from '#core/certs/refusal.ts';
import { MAX_CERTIFICATE_BYTES } from '#core/certs/ssh/policy.ts';
import { requireSshSignature } from '#core/certs/ssh/signature.ts';
import { WireReader } from '#core/certs/ssh/wire.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { MAX_NAME_BYTES, protocolError, startMessage } from './connection-messages.ts';
import { DISCONNECT, MSG } from './messages.ts';
import type { AuthAnswer, PublicKeyOffer } from './ssh.ts';
import type { Transport } from './transport-contract.ts';
import { signedData, signingKey, userAlgorithm } from './user-key.ts';

const MAX_USER_BYTES = 255;
const MAX_SIGNATURE_BLOB_BYTES = 4096;
/** Accepted offers cost no try, but nobody has that many keys. */
const MAX_OFFERS = 64;

export interface AuthServerOptions<T> {
  readonly transport: Transport;
  readonly log: Log;
  readonly maxAuthTries: number;
  readonly authenticate: (offer: PublicKeyOffer) => AuthAnswer<T> | Promise<AuthAnswer<T>>;
  /** Called once; SUCCESS is sent by whoever is called. */
  readonly onSuccess: (identity: T, user: string) => void;
}

interface KeyRequest {
  readonly user: string;
  readonly algorithm: string;
  readonly blob: Uint8Array;
  readonly signature: Uint8Array | undefined;
}

export class AuthServer<T> {
  readonly #options: AuthServerOptions<T>;
  #lastUser: string | undefined;
  #refusal: GatehouseError | undefined;
  #hasService = false;
  #hasAskedMethods = false;
  #hasToldWhy = false;
  #isDone = false;
  #tries = 0;
  #offers = 0;

  constructor(options: AuthServerOptions<T>) {
    this.#options = options;
  }

  get lastUser(): string | undefined {
    return this.#lastUser;
  }

  /** Why this end ended the connection, when it did. */
  get refusal(): GatehouseError | undefined {
    return this.#refusal;
  }

  /** The connection is gone: an answer that comes later counts no more. */
  stop(): void {
    this.#isDone = true;
  }

  onMessage(message: Buffer): void {
    if (this.#isDone) return;
    const reader = new WireReader(message.subarray(1), refuseInput);
    if (message[0] === MSG.serviceRequest) this.#receiveService(reader);
    else if (message[0] === MSG.userauthRequest && this.#hasService) this.#receiveRequest(reader);
    else throw protocolError('the client sent something else than a request for authentication');
  }

  #receiveService(reader: WireReader): void {
    if (this.#hasService) throw protocolError('the client asked twice for a service');
    const name = reader.text('the service', MAX_NAME_BYTES);
    reader.end('the service request');
    if (name !== 'ssh-userauth') {
      this.#refuse(
        DISCONNECT.serviceNotAvailable,
        'NOT_SUPPORTED',
        'only the service ssh-userauth is offered',
      );
      return;
    }
    this.#hasService = true;
    this.#options.transport.send(startMessage(MSG.serviceAccept).string(name).view());
  }

  #receiveRequest(reader: WireReader): void {
    const user = reader.text('the user name', MAX_USER_BYTES);
    const service = reader.text('the service', MAX_NAME_BYTES);
    const method = reader.text('the method', MAX_NAME_BYTES);
    this.#lastUser = user;
    if (service !== 'ssh-connection') {
      this.#refuse(
        DISCONNECT.serviceNotAvailable,
        'NOT_SUPPORTED',
        'only the service ssh-connection is offered',
      );
      return;
    }
    if (method === 'publickey') {
      this.#receiveKey(user, reader);
      return;
    }
    // Asking what is possible is no try, once.
    const isFree = method === 'none' && !this.#hasAskedMethods;
    this.#hasAskedMethods = true;
    this.#fail(isFree ? 0 : 1);
  }

  #receiveKey(user: string, reader: WireReader): void {
    const isSigned = reader.raw(1, 'the request')[0] !== 0;
    const algorithm = reader.text('the algorithm', MAX_NAME_BYTES);
    const blob = reader.bytes('the key', MAX_CERTIFICATE_BYTES);
    const signature = isSigned ? reader.bytes('the signature', MAX_SIGNATURE_BLOB_BYTES) : undefined;
    reader.end('the request');
    this.#judge({ user, algorithm, blob, signature });
  }

  #judge(request: KeyRequest): void {
    const { user, algorithm, blob } = request;
    let answer: AuthAnswer<T> | Promise<AuthAnswer<T>>;
    try {
      const proven = this.#requireProof(request);
      answer = this.#options.authenticate({ user, algorithm, blob, proven });
    } catch (error) {
      this.#failFor(error);
      return;
    }
    if (!(answer instanceof Promise)) {
      this.#answer(request, answer);
      return;
    }
    // Further requests wait in the socket until this one is answered.
    this.#options.transport.pause();
    void this.#awaitAnswer(request, answer);
  }

  /** True when there is a signature and it is good; throws when it is not, or the key is none. */
  #requireProof(request: KeyRequest): boolean {
    const algorithm = userAlgorithm(request.algorithm);
    if (algorithm === undefined)
      throw new GatehouseError('NOT_SUPPORTED', `keys of type ${request.algorithm} are not taken`);
    const key = signingKey(algorithm, request.blob);
    if (request.signature === undefined) return false;
    const { sessionId } = this.#options.transport;
    const data = signedData(sessionId, request.user, request.algorithm, request.blob);
    requireSshSignature(key, data, request.signature, [algorithm.signature]);
    return true;
  }

  async #awaitAnswer(request: KeyRequest, pending: Promise<AuthAnswer<T>>): Promise<void> {
    let answer: AuthAnswer<T>;
    try {
      answer = await pending;
    } catch (error) {
      this.#failFor(error);
      this.#options.transport.resume();
      return;
    }
    this.#answer(request, answer);
    this.#options.transport.resume();
  }

  #answer(request: KeyRequest, answer: AuthAnswer<T>): void {
    if (this.#isDone) return;
    if (!answer.accept) {
      if (answer.message !== undefined) this.#tellWhy(answer.message);
      this.#fail(1);
    } else if (request.signature === undefined) {
      this.#acceptOffer(request);
    } else {
      this.#isDone = true;
      this.#options.onSuccess(answer.identity, request.user);
    }
  }

  #acceptOffer(request: KeyRequest): void {
    if (++this.#offers > MAX_OFFERS) {
      this.#refuseTries();
      return;
    }
    const message = startMessage(MSG.userauthPkOk, 512).string(request.algorithm).string(request.blob);
    this.#options.transport.send(message.view());
  }

  #failFor(error: unknown): void {
    if (isCode(error)) {
      this.#options.log.debug(
        { user: this.#lastUser, code: error.code, reason: error.message },
        'key refused',
      );
    } else {
      this.#options.log.error({ err: error }, 'authentication failed by an error of ours');
    }
    this.#fail(1);
  }

  #fail(tries: number): void {
    if (this.#isDone) return;
    this.#tries += tries;
    if (this.#tries >= this.#options.maxAuthTries) {
      this.#refuseTries();
      return;
    }
    const message = startMessage(MSG.userauthFailure).string('publickey').raw(Uint8Array.of(0));
    this.#options.transport.send(message.view());
  }

  #tellWhy(text: string): void {
    if (this.#hasToldWhy || this.#isDone) return;
    this.#hasToldWhy = true;
    this.#options.transport.send(startMessage(MSG.userauthBanner).string(`${text}\r\n`).string('').view());
  }

  #refuseTries(): void {
    this.#refuse(DISCONNECT.noMoreAuthMethods, 'UNAUTHENTICATED', 'too many authentication failures');
  }

  #refuse(reason: number, code: 'UNAUTHENTICATED' | 'NOT_SUPPORTED', message: string): void {
    this.#isDone = true;
    this.#refusal = new GatehouseError(code, message);
    this.#options.transport.disconnect(reason, message);
  }
}
