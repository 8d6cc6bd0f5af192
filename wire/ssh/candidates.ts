// The keys that a client can prove itself with, whoever signs, and the algorithm that a server takes of each. Separate
// from the conversation so that a key that cannot be used is known before there is one.
import { refuseInput } from '#core/certs/refusal.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { signSsh } from '#core/certs/ssh/signature.ts';
import { WireReader } from '#core/certs/ssh/wire.ts';
import { MAX_NAME_BYTES } from './connection-messages.ts';
import type { ConnectOptions } from './ssh.ts';
import { userAlgorithm, userAlgorithmsOf } from './user-key.ts';

/** One way to prove oneself: a key and the algorithms it could be used with. */
export interface Candidate {
  readonly blob: Uint8Array;
  readonly algorithms: readonly string[];
  /** Offered first when signing is somebody else's. */
  readonly isOwn: boolean;
  sign(algorithm: string, data: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** Throws BAD_REQUEST for a key or certificate that is malformed or of a type that is not supported. */
export function candidateOf(key: ConnectOptions['keys'][number]): Candidate {
  if ('sign' in key) {
    return {
      blob: key.blob,
      algorithms: key.algorithms,
      isOwn: false,
      sign: (algorithm, data) => key.sign(algorithm, data),
    };
  }
  const blob = key.certificate ?? publicKeyFromKeyObject(key.privateKey).blob;
  const type = new WireReader(blob, refuseInput).text('the key type', MAX_NAME_BYTES);
  const algorithms = userAlgorithmsOf(type);
  if (algorithms.length === 0) throw refuseInput('unsupported-key', `keys of type ${type} are not supported`);
  return {
    blob,
    algorithms,
    isOwn: true,
    sign(algorithm, data) {
      const known = userAlgorithm(algorithm);
      if (known === undefined) throw refuseInput('unsupported-key', `${algorithm} is not supported`);
      return signSsh(key.privateKey, known.signature, data);
    },
  };
}

/** The first that the server takes; servers that do not say get the first (RFC 8332 3.3). */
export function chooseAlgorithm(
  algorithms: readonly string[],
  taken: readonly string[] | undefined,
): string | undefined {
  if (taken === undefined || algorithms.length === 1) return algorithms[0];
  const names = new Set(taken);
  return (
    algorithms.find((name) => names.has(name)) ??
    algorithms.find((name) => names.has(userAlgorithm(name)?.signature ?? ''))
  );
}
