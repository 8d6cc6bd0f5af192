// The first question to a proxy, by whoever knows nothing but its address: where its doors are, and who vouches for the
// members of its cluster. Apart from client/trust.ts, which asks the auth service.
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { webFind, type WebAnswer } from '#core/api/web.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { check } from '#core/schema/check.ts';
import { parseJson, readText } from './body.ts';
import { dialingAgent } from './connection.ts';

/** For the whole of it: who is asked here is not trusted yet. */
const TIMEOUT_MS = 15_000;
const MAX_ANSWER_BYTES = 512 * 1024;

export interface FoundProxy {
  readonly answer: WebAnswer;
  /**
   * The web certificate is good for this name by the authorities that the machine trusts. False: whoever answered may
   * be anybody; addresses may be tried, but its host authorities are not to be believed without a pin.
   */
  readonly isTrusted: boolean;
}

/**
 * `address` is `host:port`. UNAVAILABLE when nobody answers there, or no Gatehouse proxy. No redirect is followed, and
 * nothing but the question is sent.
 */
export async function findProxy(
  address: string,
  options: { readonly dial?: ((address: string) => Promise<Socket>) | undefined } = {},
): Promise<FoundProxy> {
  try {
    const response = await get(address, options.dial);
    const socket = response.socket as { authorized?: boolean };
    const isTrusted = socket.authorized === true;
    const result = check(webFind.reply, parseJson(await readText(response, MAX_ANSWER_BYTES)));
    if (result.ok) return { answer: result.value, isTrusted };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = isCode(cause) || code === undefined ? '' : ` (${code})`;
    throw new GatehouseError('UNAVAILABLE', `cannot reach a proxy at ${address}${reason}`, { cause });
  }
  throw notGatehouse(address);
}

function get(
  address: string,
  dial: ((address: string) => Promise<Socket>) | undefined,
): Promise<IncomingMessage> {
  const agent = dial === undefined ? false : new (dialingAgent(dial))({ keepAlive: false });
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      new URL(`https://${address}${webFind.path}`),
      // Whether it was good is read off the socket: the question is the same for everybody.
      { agent, rejectUnauthorized: false, signal: AbortSignal.timeout(TIMEOUT_MS) },
      (answer) => {
        if (answer.statusCode === 200) return resolve(answer);
        answer.destroy();
        reject(notGatehouse(address));
      },
    );
    request.once('error', reject);
    request.end();
  });
}

function notGatehouse(address: string): GatehouseError {
  return new GatehouseError('UNAVAILABLE', `${address} does not answer as a Gatehouse proxy`);
}
