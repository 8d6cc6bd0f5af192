// First contact: learns the host authority of a cluster from an address, and holds it against a CA pin.
// Nothing secret is sent before the pin has been compared.
import type { IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { hostAuthority } from '#core/api/cluster.ts';
import { API_PROTOCOLS } from '#core/api/protocols.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { check } from '#core/schema/check.ts';
import { parseJson, readText } from './body.ts';
import { dialingAgent, type Dial } from './connection.ts';

/** For the whole of it: who is asked here is not trusted yet. */
const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 256 * 1024;

/**
 * The host authority's certificates (PEM) as `address` (`host:port`) states them. With pins, at least one
 * certificate must match one of them, only matching ones are returned, else CA_PIN_MISMATCH; without pins the
 * answer is taken on trust and the caller warns. UNAVAILABLE when nobody answers there, or somebody else. `dial` is as in
 * ConnectionOptions; all of it takes at most `timeoutMs`.
 */
export async function learnAuthorities(
  address: string,
  pins: readonly string[],
  dial?: Dial,
  timeoutMs: number = TIMEOUT_MS,
): Promise<readonly string[]> {
  const certificates = await askHostAuthority(address, dial, timeoutMs);
  const pinned = certificates.map((pem) => ({ pem, pin: pinOf(address, pem) }));
  if (pins.length === 0) return certificates;
  const matching = pinned.filter(({ pin }) => pins.includes(pin)).map(({ pem }) => pem);
  if (matching.length > 0) return matching;
  const seen = pinned.map(({ pin }) => pin).join(', ');
  throw new GatehouseError(
    'CA_PIN_MISMATCH',
    `${address} holds another certificate authority than the pinned one (pinned ${pins.join(', ')}; found ${seen})`,
  );
}

async function askHostAuthority(
  address: string,
  dial: Dial | undefined,
  timeoutMs: number,
): Promise<readonly string[]> {
  try {
    const answer = await get(address, hostAuthority.path, dial, timeoutMs);
    const result = check(hostAuthority.reply, parseJson(await readText(answer, MAX_ANSWER_BYTES)));
    if (result.ok && result.value.tls_certificates.length > 0) return result.value.tls_certificates;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = isCode(cause) || code === undefined ? '' : ` (${code})`;
    throw new GatehouseError('UNAVAILABLE', `cannot reach ${address}${reason}`, { cause });
  }
  throw notGatehouse(address);
}

function get(
  address: string,
  path: string,
  dial: Dial | undefined,
  timeoutMs: number,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      new URL(`https://${address}${path}`),
      // The certificate cannot be checked before the authority is known: the pin decides, over the answer's content.
      {
        agent: new (dial === undefined ? Agent : dialingAgent(dial))({
          ALPNProtocols: [...API_PROTOCOLS],
          rejectUnauthorized: false,
        }),
        signal: AbortSignal.timeout(timeoutMs),
      },
      (answer) => {
        if (answer.statusCode === 200) resolve(answer);
        else {
          answer.destroy();
          reject(notGatehouse(address));
        }
      },
    );
    request.once('error', reject);
    request.end();
  });
}

function pinOf(address: string, pem: string): string {
  try {
    return caPin(derFromPem(pem));
  } catch (cause) {
    throw new GatehouseError('UNAVAILABLE', `${address} states an authority that cannot be read`, { cause });
  }
}

function notGatehouse(address: string): GatehouseError {
  return new GatehouseError('UNAVAILABLE', `${address} does not answer as a Gatehouse auth service`);
}
