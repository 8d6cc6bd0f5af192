// `gate aws credential-process`: temporary keys of AWS themselves, as `credential_process` of ~/.aws/config wants them, where
// the application allows that. They come from the agent, and end no later than the certificate.
import type { IncomingMessage } from 'node:http';
import { parseJson, readText } from '#client/body.ts';
import {
  directCredentials,
  DIRECT_CREDENTIALS_HEADER,
  DIRECT_CREDENTIALS_PATH,
  type DirectCredentials,
} from '#core/aws/direct-credentials.ts';
import { CODES, type Code } from '#core/errors/codes.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { check } from '#core/schema/check.ts';
import type { Gate } from '../commands/gate/context.ts';
import { requireAwsLogin } from '../target/app-login.ts';
import { keepTarget, wishOf } from '../target/certificate.ts';
import { openHttpPool } from '../target/http-pool.ts';
import { openRoad } from './session.ts';

const MAX_ANSWER_BYTES = 64 * 1024;

/** ACCESS_DENIED where the application gives none. */
export async function printCredentials(gate: Gate, app: string | undefined): Promise<void> {
  const { io, out, wanted } = gate;
  // Whoever runs this shows no questions, and would wait for an answer for ever.
  const { login } = await requireAwsLogin(gate, app, { mayAsk: false });
  const kept = keepTarget(io, wanted, wishOf('app', login));
  const pool = openHttpPool(() => openRoad(gate, kept));
  try {
    const request = pool.request({
      method: 'POST',
      path: DIRECT_CREDENTIALS_PATH,
      headers: ['host', login.name, DIRECT_CREDENTIALS_HEADER, '1', 'content-length', '0'],
    });
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve).once('error', reject);
    });
    request.end();
    const answer = await answered;
    const text = await readText(answer, MAX_ANSWER_BYTES);
    // Nothing else may be on stdout: a program reads it.
    out.formatted(`${JSON.stringify(readCredentials(answer, text), null, 2)}\n`);
  } finally {
    pool.close();
  }
}

function readCredentials({ statusCode, headers }: IncomingMessage, text: string): DirectCredentials {
  const body = parseJson(text);
  if (statusCode !== 200) throw refusal(headers['x-gatehouse-error'], body);
  const result = check(directCredentials, body);
  if (result.ok) return result.value;
  throw new GatehouseError('UNAVAILABLE', 'the agent answers with something else than credentials');
}

function refusal(code: unknown, body: unknown): GatehouseError {
  const message = (body as { message?: unknown } | undefined)?.message;
  return new GatehouseError(
    typeof code === 'string' && Object.hasOwn(CODES, code) ? (code as Code) : 'UNAVAILABLE',
    typeof message === 'string' ? message.slice(0, 2048) : 'the agent gives no credentials',
  );
}
