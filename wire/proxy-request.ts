// What a client and a proxy say first on a TLS connection with the protocol `gatehouse-proxy-ssh`: one line of JSON each,
// then the bytes are those of SSH between client and server. The client may send SSH bytes right behind its line.
import { fromErrorBody, GatehouseError, toErrorBody } from '#core/errors/error.ts';
import { check, formatProblem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

export const PROXY_SSH_PROTOCOL = 'gatehouse-proxy-ssh';
/** Without its newline. Answers may list candidates. */
export const MAX_PROXY_REQUEST_BYTES = 8 * 1024;
export const MAX_PROXY_ANSWER_BYTES = 32 * 1024;

const fields = {
  /** Name, id, address or labels of the server. */
  target: s.string({ minLength: 1, maxLength: 512 }),
  port: s.optional(s.integer({ min: 0, max: 65_535 })),
  cluster: s.optional(s.string({ maxLength: 253 })),
};
const request = s.object(fields);

export type ProxyRequest = s.Infer<typeof request>;

export const encodeProxyRequest = (value: ProxyRequest): string => `${JSON.stringify(value)}\n`;

/** BAD_REQUEST. Fields that are not known are left out: the client may be newer. */
export function parseProxyRequest(line: Uint8Array): ProxyRequest {
  const document = parseObject(line);
  if (document === undefined) throw new GatehouseError('BAD_REQUEST', 'the request is not a JSON object');
  const known = Object.entries(document).filter(([key]) => Object.hasOwn(fields, key));
  const result = check(request, Object.fromEntries(known));
  if (result.ok) return result.value;
  const [first] = result.problems;
  throw new GatehouseError('BAD_REQUEST', first === undefined ? 'malformed request' : formatProblem(first));
}

export const PROXY_READY = `${JSON.stringify({ ok: true })}\n`;

export const encodeProxyRefusal = (error: unknown): string =>
  `${JSON.stringify({ ok: false, error: toErrorBody(error) })}\n`;

/** Throws the error that the proxy answered; UNAVAILABLE when the answer is not understood. */
export function requireProxyReady(line: Uint8Array): void {
  const document = parseObject(line) as { ok?: unknown; error?: unknown } | undefined;
  if (document?.ok !== true) throw fromErrorBody(document?.error);
}

function parseObject(line: Uint8Array): object | undefined {
  try {
    const value = JSON.parse(Buffer.from(line).toString('utf8')) as unknown;
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
