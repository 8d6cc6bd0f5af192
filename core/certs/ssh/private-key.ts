// The "openssh-key-v1" private key file, unencrypted: what `ssh -i` reads for every key type. Only our own short-lived
// keys are kept so; passphrases are not supported.
import { createPrivateKey, randomInt, type JsonWebKey, type KeyObject } from 'node:crypto';
import { refuseInput } from '../refusal.ts';
import { Secret } from '../../secret.ts';
import { isSshKeyAlgorithm, SSH_CURVES, type SshKeyAlgorithm } from './algorithms.ts';
import { publicKeyFromKeyObject } from './public-key.ts';
import { WireReader, WireWriter } from './wire.ts';

const MAGIC = Buffer.from('openssh-key-v1\0', 'latin1');
const BEGIN = '-----BEGIN OPENSSH PRIVATE KEY-----';
const END = '-----END OPENSSH PRIVATE KEY-----';
const BLOCK_BYTES = 8;
const MAX_FILE_BYTES = 16 * 1024;

/** The PEM text, ending in a line break. BAD_REQUEST when the key is not supported or the comment not printable. */
export function openSshPrivateKey(privateKey: KeyObject, comment = ''): Secret {
  const { algorithm, blob } = publicKeyFromKeyObject(privateKey);
  if (comment.length > 1024 || /\p{C}/u.test(comment)) {
    throw refuseInput('malformed', 'a comment must be short and printable');
  }
  const check = randomInt(2 ** 32);
  const secret = new WireWriter(4096).uint32(check).uint32(check).string(algorithm);
  writePrivateFields(secret, algorithm, privateKey.export({ format: 'jwk' }));
  secret.string(comment);
  for (let pad = 1; secret.view().length % BLOCK_BYTES !== 0; pad++) secret.raw(Uint8Array.of(pad));
  const file = new WireWriter(4096).raw(MAGIC).string('none').string('none').string('');
  file.uint32(1).string(blob).string(secret.view());
  const lines =
    Buffer.from(file.view())
      .toString('base64')
      .match(/.{1,70}/g) ?? [];
  return new Secret(`${[BEGIN, ...lines, END].join('\n')}\n`);
}

/** Reads what openSshPrivateKey writes. BAD_REQUEST: `malformed`, `unsupported-key` (also when encrypted), `bad-key`. */
export function parseOpenSshPrivateKey(pem: Secret): KeyObject {
  const reader = new WireReader(decodePem(pem.reveal()), refuseInput);
  if (!MAGIC.equals(reader.raw(MAGIC.length, 'the private key')))
    throw refuseInput('malformed', 'not a private key');
  const cipher = reader.text('the cipher', 64);
  const kdf = reader.text('the key derivation', 64);
  if (cipher !== 'none' || kdf !== 'none')
    throw refuseInput('unsupported-key', 'the private key is encrypted');
  reader.bytes('the key derivation options', 0);
  if (reader.uint32('the number of keys') !== 1) throw refuseInput('malformed', 'one private key is needed');
  const blob = reader.bytes('the public key', MAX_FILE_BYTES);
  const secret = new WireReader(reader.bytes('the private key', MAX_FILE_BYTES), refuseInput);
  reader.end('the private key');
  if (secret.uint32('the check') !== secret.uint32('the check'))
    throw refuseInput('malformed', 'the key is damaged');
  const algorithm = secret.text('the key type', 256);
  if (!isSshKeyAlgorithm(algorithm)) throw refuseInput('unsupported-key', 'the key type is not supported');
  const key = importKey(readPrivateFields(secret, algorithm));
  if (!Buffer.from(blob).equals(publicKeyFromKeyObject(key).blob)) {
    throw refuseInput('bad-key', 'the private key does not fit its public key');
  }
  return key;
}

function writePrivateFields(writer: WireWriter, algorithm: SshKeyAlgorithm, jwk: JsonWebKey): void {
  const field = (name: keyof JsonWebKey): Uint8Array => Buffer.from(String(jwk[name] ?? ''), 'base64url');
  const curve = SSH_CURVES[algorithm];
  if (curve !== undefined) {
    const point = Buffer.concat([Uint8Array.of(4), field('x'), field('y')]);
    writer.string(curve.name).string(point).mpint(field('d'));
  } else if (algorithm === 'ssh-rsa') {
    for (const name of ['n', 'e', 'd', 'qi', 'p', 'q'] as const) writer.mpint(field(name));
  } else writer.string(field('x')).string(Buffer.concat([field('d'), field('x')]));
}

function readPrivateFields(reader: WireReader, algorithm: SshKeyAlgorithm): JsonWebKey {
  const curve = SSH_CURVES[algorithm];
  const encode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
  if (curve !== undefined) {
    reader.text('the curve name', 64);
    const point = reader.bytes('the curve point', 1 + 2 * 66);
    const d = Buffer.from(reader.mpint('the private value', curve.size))
      .toString('hex')
      .padStart(curve.size * 2, '0');
    const x = encode(point.subarray(1, 1 + curve.size));
    const y = encode(point.subarray(1 + curve.size));
    return { kty: 'EC', crv: curve.jwk, x, y, d: Buffer.from(d, 'hex').toString('base64url') };
  }
  if (algorithm === 'ssh-ed25519') {
    const x = encode(reader.bytes('the Ed25519 key', 32));
    return { kty: 'OKP', crv: 'Ed25519', x, d: encode(reader.bytes('the Ed25519 seed', 64).subarray(0, 32)) };
  }
  const [n, e, d, qi, p, q] = ['n', 'e', 'd', 'qi', 'p', 'q'].map((name) =>
    reader.mpint(`the RSA ${name}`, 1024),
  );
  if (!n || !e || !d || !qi || !p || !q) throw refuseInput('malformed', 'the RSA key is not complete');
  const exponents = { dp: encode(modLessOne(d, p)), dq: encode(modLessOne(d, q)) };
  return {
    kty: 'RSA',
    n: encode(n),
    e: encode(e),
    d: encode(d),
    p: encode(p),
    q: encode(q),
    ...exponents,
    qi: encode(qi),
  };
}

/** d mod (prime - 1), which the file does not carry. */
function modLessOne(d: Uint8Array, prime: Uint8Array): Uint8Array {
  const toInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
  const divisor = toInt(prime) - 1n;
  if (divisor <= 0n) throw refuseInput('bad-key', 'the RSA key is not a valid one');
  const hex = (toInt(d) % divisor).toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex');
}

function importKey(jwk: JsonWebKey): KeyObject {
  try {
    return createPrivateKey({ key: jwk, format: 'jwk' });
  } catch {
    // No cause: it could quote key material.
    throw refuseInput('bad-key', 'the private key is not a valid one');
  }
}

function decodePem(text: string): Uint8Array {
  const body = text.trim();
  if (body.length > MAX_FILE_BYTES || !body.startsWith(BEGIN) || !body.endsWith(END)) {
    throw refuseInput('malformed', 'the private key is not in the OpenSSH format');
  }
  return Buffer.from(body.slice(BEGIN.length, -END.length), 'base64');
}
