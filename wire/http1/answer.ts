// Replies that are made here and not forwarded: whole, with a length, and never stored by anybody.
import { STATUS_CODES } from 'node:http';
import { makeField, writeResponseHead, type Field, type RequestHead } from './head.ts';

export interface Answer {
  readonly status: number;
  readonly fields?: readonly (readonly [name: string, value: string])[];
  readonly type?: string;
  readonly body?: string | Buffer;
}

export const reasonOf = (status: number): string => STATUS_CODES[status] ?? 'Status';

/** The bytes of an answer to a request of this method. */
export function writeAnswer(
  answer: Answer,
  request: Pick<RequestHead, 'method' | 'minor'> & { readonly keepsAlive: boolean },
): Buffer {
  const { status, body = '' } = answer;
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const head = writeResponseHead(status, reasonOf(status), fieldsFor(answer, request, bytes.length));
  const headBytes = Buffer.from(head, 'latin1');
  return request.method === 'HEAD' || bytes.length === 0 ? headBytes : Buffer.concat([headBytes, bytes]);
}

function fieldsFor(
  { status, fields = [], type = 'text/plain; charset=utf-8' }: Answer,
  { minor, keepsAlive }: Pick<RequestHead, 'minor'> & { readonly keepsAlive: boolean },
  length: number,
): readonly Field[] {
  const all: Field[] = fields.map(([name, value]) => makeField(name, value));
  const add = (name: string, value: string): void => void all.push({ name, text: name, value });
  if (!all.some(({ name }) => name === 'cache-control')) add('cache-control', 'no-store');
  if (length > 0) add('content-type', type);
  add('x-content-type-options', 'nosniff');
  if (status !== 204 && status !== 304) add('content-length', String(length));
  if (!keepsAlive) add('connection', 'close');
  else if (minor === 0) add('connection', 'keep-alive');
  return all;
}
