// User authentication, the client's side (RFC 4252), by keys and certificates. A key whose private half is at hand is
// used at once, together with the request for the service, which saves two round trips; one that an agent signs for is
// offered first, because a signature may cost its owner a touch.
import { refuseInput } from '#core/certs/refusal.ts';
import { MAX_CERTIFICATE_BYTES } from '#core/certs/ssh/policy.ts';
import { WireReader } from '#core/certs/ssh/wire.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { MAX_NAME_BYTES, protocolError, startMessage } from './connection-messages.ts';
import { DISCONNECT, MSG } from './messages.ts';
import { chooseAlgorithm, type Candidate } from './candidates.ts';
import type { Transport } from './transport-contract.ts';
import { publicKeyRequest, signedData } from './user-key.ts';

const MAX_BANNER_BYTES = 8 * 1024;
const MAX_BANNERS = 16;
const MAX_METHODS_BYTES = 1024;

interface Attempt extends Candidate {
  readonly algorithm: string;
}

export interface AuthClientOptions {
  readonly transport: Transport;
  readonly user: string;
  readonly candidates: readonly Candidate[];
  readonly onBanner: ((text: string) => void) | undefined;
  readonly onSuccess: () => void;
}

/**
 * Authenticates over a transport that is ready. Without success the connection is ended; then `refusal` says why:
 * ACCESS_DENIED (no key is taken, or something besides a key is asked for; `details.methods`), or what a signer threw.
 */
export class AuthClient {
  readonly #options: AuthClientOptions;
  readonly #candidates: Candidate[];
  #step: 'service' | 'offered' | 'signing' | 'signed' | 'done' = 'service';
  #attempt: Attempt | undefined;
  #refusal: GatehouseError | undefined;
  #awaitsService = true;
  #banners = 0;

  /** Sends the first request. */
  constructor(options: AuthClientOptions) {
    this.#options = options;
    this.#candidates = [...options.candidates];
    options.transport.send(startMessage(MSG.serviceRequest).string('ssh-userauth').view());
    // What an RSA key may sign is known once the server has said something: its extensions come first.
    const first = this.#candidates[0];
    if (first !== undefined && first.isOwn && first.algorithms.length === 1) this.#tryNext();
  }

  get refusal(): GatehouseError | undefined {
    return this.#refusal;
  }

  /** The connection is gone. */
  stop(): void {
    this.#step = 'done';
  }

  onMessage(message: Buffer): void {
    if (this.#step === 'done') return;
    const reader = new WireReader(message.subarray(1), refuseInput);
    switch (message[0]) {
      case MSG.serviceAccept:
        return this.#receiveService(reader);
      case MSG.userauthBanner:
        return this.#receiveBanner(reader);
      case MSG.userauthPkOk:
        return this.#receivePkOk(reader);
      case MSG.userauthFailure:
        return this.#receiveFailure(reader);
      case MSG.userauthSuccess:
        return this.#receiveSuccess(reader);
      default:
        throw protocolError('the host sent something that is no part of authentication');
    }
  }

  #receiveService(reader: WireReader): void {
    if (!this.#awaitsService || reader.text('the service', MAX_NAME_BYTES) !== 'ssh-userauth')
      throw protocolError('the host accepted a service that was not asked for');
    this.#awaitsService = false;
    if (this.#step === 'service') this.#tryNext();
  }

  #receiveBanner(reader: WireReader): void {
    const text = reader.text('the banner', MAX_BANNER_BYTES);
    if (++this.#banners <= MAX_BANNERS) this.#options.onBanner?.(text);
  }

  #receivePkOk(reader: WireReader): void {
    const attempt = this.#attempt;
    if (this.#step !== 'offered' || attempt === undefined)
      throw protocolError('the host accepted a key that was not offered');
    const algorithm = reader.text('the algorithm', MAX_NAME_BYTES);
    const blob = reader.bytes('the key', MAX_CERTIFICATE_BYTES);
    if (algorithm !== attempt.algorithm || Buffer.compare(blob, attempt.blob) !== 0)
      throw protocolError('the host accepted another key than the one that was offered');
    this.#sendSigned(attempt);
  }

  #receiveFailure(reader: WireReader): void {
    if (this.#awaitsService || (this.#step !== 'offered' && this.#step !== 'signed'))
      throw protocolError('the host refused a request that was not made');
    const methods = reader.text('the methods', MAX_METHODS_BYTES).split(',');
    const isPartial = reader.raw(1, 'the answer')[0] !== 0;
    if (!methods.includes('publickey')) {
      const what = isPartial ? 'besides a key also' : 'no keys, only';
      this.#refuse(
        `the host takes ${what} ${methods.join(', ')}; Gatehouse has keys and certificates`,
        methods,
      );
      return;
    }
    this.#tryNext(methods);
  }

  #receiveSuccess(reader: WireReader): void {
    if (this.#step !== 'signed' || this.#awaitsService)
      throw protocolError('the host reported a success before there was a proof');
    reader.end('the success');
    this.#step = 'done';
    this.#options.onSuccess();
  }

  #tryNext(methods?: readonly string[]): void {
    const { user, transport } = this.#options;
    for (let next = this.#candidates.shift(); next !== undefined; next = this.#candidates.shift()) {
      const algorithm = chooseAlgorithm(next.algorithms, transport.peerSignatureAlgorithms);
      if (algorithm === undefined) continue;
      const attempt = { ...next, algorithm };
      this.#attempt = attempt;
      if (next.isOwn) {
        this.#sendSigned(attempt);
        return;
      }
      this.#step = 'offered';
      transport.send(publicKeyRequest(user, algorithm, next.blob, false).view());
      return;
    }
    this.#refuse(`the host does not take any key of "${user}"`, methods ?? ['publickey']);
  }

  #sendSigned(attempt: Attempt): void {
    this.#step = 'signing';
    const { transport, user } = this.#options;
    const { algorithm, blob } = attempt;
    try {
      const signature = attempt.sign(algorithm, signedData(transport.sessionId, user, algorithm, blob));
      if (signature instanceof Promise) void this.#awaitSignature(attempt, signature);
      else this.#sendSignature(attempt, signature);
    } catch (error) {
      this.#signerFailed(error);
    }
  }

  async #awaitSignature(attempt: Attempt, pending: Promise<Uint8Array>): Promise<void> {
    try {
      this.#sendSignature(attempt, await pending);
    } catch (error) {
      this.#signerFailed(error);
    }
  }

  #signerFailed(cause: unknown): void {
    if (this.#step === 'done') return;
    this.#step = 'done';
    this.#refusal =
      cause instanceof GatehouseError
        ? cause
        : new GatehouseError('UNAVAILABLE', 'the key could not be used: its signer failed', { cause });
    this.#options.transport.disconnect(DISCONNECT.authCancelled, 'no signature');
  }

  #sendSignature(attempt: Attempt, signature: Uint8Array): void {
    if (this.#step !== 'signing') return;
    this.#step = 'signed';
    const request = publicKeyRequest(this.#options.user, attempt.algorithm, attempt.blob, true);
    this.#options.transport.send(request.string(signature).view());
  }

  #refuse(message: string, methods: readonly string[]): void {
    this.#step = 'done';
    this.#refusal = new GatehouseError('ACCESS_DENIED', message, { details: { methods } });
    this.#options.transport.disconnect(DISCONNECT.noMoreAuthMethods, 'no more keys to try');
  }
}
