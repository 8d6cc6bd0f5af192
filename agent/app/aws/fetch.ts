// A small call to AWS by the agent itself, with a bounded answer: sign-in tokens of the console, and STS.
import { isCode } from '#core/errors/error.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { AwsDialer } from './endpoints.ts';

const MAX_ANSWER = 64 * 1024;
const ANSWER_MS = 15_000;

export interface SmallRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** UNAVAILABLE when no answer comes within 15 s, or one that is too long. */
export async function fetchText(
  dialer: AwsDialer,
  host: string,
  { body, ...request }: SmallRequest,
): Promise<{ readonly status: number; readonly text: string }> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(ANSWER_MS)]);
  try {
    return await new Promise((resolve, reject) => {
      const outgoing = dialer.request(host, {
        method: request.method,
        path: request.path,
        headers: { ...request.headers, host, accept: 'application/json, text/xml' },
        signal,
      });
      outgoing.once('error', reject).once('response', (answer) => {
        const parts: Buffer[] = [];
        let size = 0;
        answer.once('error', reject).on('data', (part: Buffer) => {
          size += part.length;
          if (size > MAX_ANSWER) outgoing.destroy(new Error('the answer is too long'));
          else parts.push(part);
        });
        answer.once('end', () =>
          resolve({ status: answer.statusCode ?? 0, text: Buffer.concat(parts).toString('utf8') }),
        );
      });
      outgoing.end(body);
    });
  } catch (cause) {
    if (isCode(cause)) throw cause;
    const why = cause instanceof Error ? cause.message : 'failed';
    throw new GatehouseError(
      'UNAVAILABLE',
      `no answer from ${host}: ${why}; the agent must reach ${host}:443`,
      {
        cause,
      },
    );
  }
}
