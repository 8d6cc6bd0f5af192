// First contact: learns the host authority of a cluster from an address, and holds it against a CA pin.
// Nothing secret is sent before the pin has been compared.
import { connect, type TLSSocket } from 'node:tls';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { hostAuthority } from '#core/api/cluster.ts';
import { check } from '#core/schema/check.ts';

const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * The host authority's certificates (PEM) as `address` (`host:port`) states them. With pins, at least one
 * certificate must match one of them, only matching ones are returned, else CA_PIN_MISMATCH; without pins the
 * answer is taken on trust and the caller warns.
 */
export async function learnAuthorities(address: string, pins: readonly string[]): Promise<readonly string[]> {
  const certificates = await askHostAuthority(address);
  if (pins.length === 0) return certificates;
  const matching = certificates.filter((pem) => pins.includes(caPin(derFromPem(pem))));
  if (matching.length > 0) return matching;
  const seen = certificates.map((pem) => caPin(derFromPem(pem))).join(', ');
  throw new GatehouseError(
    'CA_PIN_MISMATCH',
    `${address} holds another certificate authority than the pinned one (pinned ${pins.join(', ')}; found ${seen})`,
  );
}

async function askHostAuthority(address: string): Promise<readonly string[]> {
  const socket = await open(address);
  try {
    socket.write(`GET ${hostAuthority.path} HTTP/1.1\r\nHost: ${address}\r\nConnection: close\r\n\r\n`);
    const result = check(hostAuthority.reply, bodyOf(await readAll(socket)));
    if (result.ok && result.value.tls_certificates.length > 0) return result.value.tls_certificates;
  } finally {
    socket.destroy();
  }
  throw new GatehouseError('UNAVAILABLE', `${address} does not answer as a Gatehouse auth service`);
}

function open(address: string): Promise<TLSSocket> {
  const target = new URL(`https://${address}`);
  return new Promise((resolve, reject) => {
    // The certificate cannot be checked before the authority is known: the pin decides, over the answer's content.
    const socket = connect({
      host: target.hostname.replace(/^\[|\]$/g, ''),
      port: Number(target.port || 443),
      rejectUnauthorized: false,
      timeout: TIMEOUT_MS,
    });
    const fail = (cause?: unknown): void => {
      socket.destroy();
      reject(new GatehouseError('UNAVAILABLE', `cannot reach ${address}`, { cause }));
    };
    socket.once('secureConnect', () => resolve(socket));
    socket.once('error', fail);
    socket.once('timeout', () => fail(new Error('timed out')));
  });
}

async function readAll(socket: TLSSocket): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of socket as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_ANSWER_BYTES)
      throw new GatehouseError('TOO_LARGE', 'the answer to the first contact is too large');
    parts.push(part);
  }
  return Buffer.concat(parts);
}

/** The JSON of a plain HTTP/1.1 answer with a length; undefined when it is something else. */
function bodyOf(answer: Buffer): unknown {
  const split = answer.indexOf('\r\n\r\n');
  if (split === -1 || !/^HTTP\/1\.[01] 200 /.test(answer.subarray(0, 16).toString('latin1')))
    return undefined;
  try {
    return JSON.parse(answer.subarray(split + 4).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
