// Heads of HTTP/1.1 messages, read strictly: what two readers could take for different messages is refused, because the
// target behind reads the same bytes again (S19). Apart from framing.ts, which says where a message ends.
import { GatehouseError } from '#core/errors/error.ts';

export interface Field {
  /** In lower case. */
  readonly name: string;
  /** As it was sent. */
  readonly text: string;
  /** Without blanks around it. Bytes above 0x7f are one character each (latin1). */
  readonly value: string;
}

export interface RequestHead {
  readonly method: string;
  readonly target: string;
  /** Of HTTP/1. */
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
}

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly minor: 0 | 1;
  readonly fields: readonly Field[];
}

export const MAX_HEAD_BYTES = 64 * 1024;
export const MAX_FIELDS = 200;
const MAX_TARGET = 16 * 1024;

const HEAD_END = Buffer.from('\r\n\r\n');
const LF = 10;
const CR = 13;
const REQUEST_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([\x21-\x7e]+) HTTP\/1\.([01])$/;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
/** Names are tokens with the colon right after them; values have no control characters, so no folding either. */
const FIELD_LINES = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)*$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * Where the first head in `bytes` ends, the blank line included; undefined when more is needed. BAD_REQUEST when it is
 * longer than `most`, or is no head already.
 */
export function headEnd(bytes: Buffer, most: number = MAX_HEAD_BYTES): number | undefined {
  const at = bytes.indexOf(HEAD_END);
  if (at === -1 ? bytes.length > most : at + 4 > most) throw malformed('the head is too large');
  if (at !== -1) return at + 4;
  refuseBareLineEnds(bytes);
  return undefined;
}

/** Told at once, or the sender of such lines would wait for a blank line that never comes. */
function refuseBareLineEnds(bytes: Buffer): void {
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (at === 0 || bytes[at - 1] !== CR) throw malformed('a line ends without a carriage return');
  }
}

/** `bytes` is a whole head as headEnd says. BAD_REQUEST. */
export function parseRequestHead(bytes: Buffer): RequestHead {
  const { first, fields } = splitHead(bytes);
  const match = REQUEST_LINE.exec(first);
  if (match === null) throw malformed('the request line is not understood');
  const [, method = '', target = '', minor] = match;
  if (target.length > MAX_TARGET) throw malformed('the path is too long');
  return { method, target, minor: minor === '0' ? 0 : 1, fields };
}

/** `bytes` is a whole head as headEnd says. BAD_REQUEST. */
export function parseResponseHead(bytes: Buffer): ResponseHead {
  const { first, fields } = splitHead(bytes);
  const match = STATUS_LINE.exec(first);
  if (match === null) throw malformed('the status line is not understood');
  const [, minor, status = '', reason = ''] = match;
  return { status: Number(status), reason, minor: minor === '0' ? 0 : 1, fields };
}

function splitHead(bytes: Buffer): { readonly first: string; readonly fields: readonly Field[] } {
  const text = bytes.toString('latin1', 0, bytes.length - 2);
  const lineEnd = text.indexOf('\r\n');
  return { first: text.slice(0, lineEnd), fields: parseFields(text.slice(lineEnd + 2)) };
}

/** Lines of `name: value`, each with its line end; of a head or of trailers. BAD_REQUEST. */
export function parseFields(text: string): readonly Field[] {
  if (!FIELD_LINES.test(text)) throw malformed('a header line is not understood');
  const fields: Field[] = [];
  for (let at = 0; at < text.length;) {
    const colon = text.indexOf(':', at);
    const end = text.indexOf('\r\n', colon);
    const name = text.slice(at, colon);
    fields.push({ name: name.toLowerCase(), text: name, value: trimBlanks(text.slice(colon + 1, end)) });
    at = end + 2;
  }
  if (fields.length > MAX_FIELDS) throw malformed('there are too many header lines');
  return fields;
}

function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isBlank = (code: number): boolean => code === 32 || code === 9;

/** The first value of a field; undefined when there is none. */
export function fieldOf(fields: readonly Field[], name: string): string | undefined {
  for (const field of fields) if (field.name === name) return field.value;
  return undefined;
}

/** Every value of a field, in order. */
export function fieldsOf(fields: readonly Field[], name: string): readonly string[] {
  return fields.filter((field) => field.name === name).map((field) => field.value);
}

/** True when a comma-separated field has the word, in any case of letters. */
export function hasWord(fields: readonly Field[], name: string, word: string): boolean {
  for (const field of fields) {
    if (field.name === name && wordsOf(field.value).includes(word)) return true;
  }
  return false;
}

/** The words of a comma-separated value, in lower case. */
export function wordsOf(value: string): readonly string[] {
  return value
    .toLowerCase()
    .split(',')
    .map(trimBlanks)
    .filter((word) => word !== '');
}

/** A field of ours. BAD_REQUEST when name or value cannot be sent. */
export function makeField(text: string, value: string): Field {
  if (!FIELD_NAME.test(text) || !FIELD_VALUE.test(value)) {
    throw malformed(`the header ${JSON.stringify(text.slice(0, 64))} cannot be sent`);
  }
  return { name: text.toLowerCase(), text, value };
}

/** As sent; latin1. */
export function writeRequestHead(method: string, target: string, fields: readonly Field[]): string {
  return `${method} ${target} HTTP/1.1\r\n${writeFields(fields)}\r\n`;
}

/** As sent; latin1. */
export function writeResponseHead(status: number, reason: string, fields: readonly Field[]): string {
  return `HTTP/1.1 ${status} ${reason}\r\n${writeFields(fields)}\r\n`;
}

/** Lines with their ends, without the blank one. */
export function writeFields(fields: readonly Field[]): string {
  let text = '';
  for (const field of fields) text += `${field.text}: ${field.value}\r\n`;
  return text;
}

export function malformed(what: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `this is not proper HTTP: ${what}`);
}
