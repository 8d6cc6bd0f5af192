// What clients send, as far as the audit log wants it: queries, statements, the values bound to them, function calls.
// Each may be cut to its first bytes; what is cut off is told, never guessed.
import { Content, textOf } from './content.ts';
import { malformed } from './malformed.ts';
import { parameterText } from './parameter-text.ts';

export interface ParseMessage {
  readonly statement: string;
  readonly query: string;
  /** Types of parameters by object id; 0: unknown. */
  readonly types: readonly number[];
}

export interface BindMessage {
  readonly portal: string;
  readonly statement: string;
  /** As people read them; those that were cut off are counted in `hidden`. */
  readonly parameters: readonly string[];
  readonly hidden: number;
}

/** Only so many values are shown, and so much of them. */
const MAX_SHOWN = 1000;
const MAX_SHOWN_CHARACTERS = 64 * 1024;
const NO_TYPES: readonly number[] = [];

/** The text of a Query. `isWhole` false: its end was cut off. */
export function readQuery(bytes: Buffer, start: number, end: number, isWhole: boolean): string {
  if (!isWhole) return textOf(bytes, start, endOfText(bytes, start, end));
  if (end === start || bytes.indexOf(0, start) !== end - 1)
    throw malformed('a query does not end where it should');
  return textOf(bytes, start, end - 1);
}

export function readParse(bytes: Buffer, start: number, end: number, isWhole: boolean): ParseMessage {
  const content = new Content(bytes, start, end);
  const statement = content.text();
  if (!isWhole) {
    const from = end - content.left;
    const zero = bytes.indexOf(0, from);
    const to = zero >= 0 && zero < end ? zero : endOfText(bytes, from, end);
    return { statement, query: textOf(bytes, from, to), types: NO_TYPES };
  }
  const query = content.text();
  const count = content.uint16();
  const types = count === 0 ? NO_TYPES : Array.from({ length: count }, () => content.uint32());
  content.finish();
  return { statement, query, types };
}

/** Where a statement's name is longer than what is there, malformed. `typesOf` is asked for the statement's types. */
export function readBind(
  bytes: Buffer,
  start: number,
  end: number,
  isWhole: boolean,
  typesOf: (statement: string) => readonly number[],
): BindMessage {
  const content = new Content(bytes, start, end);
  const portal = content.text();
  const statement = content.text();
  const formats = readFormats(content);
  const count = content.uint16();
  if (formats.length > 1 && formats.length !== count) throw malformed('formats and values differ in number');
  const types = count === 0 ? NO_TYPES : typesOf(statement);
  const parameters: string[] = [];
  let room = MAX_SHOWN_CHARACTERS;
  for (let n = 0; n < count; n++) {
    const shown = readValue(content, isWhole, formats[formats.length === 1 ? 0 : n] ?? 0, types[n] ?? 0);
    if (shown === undefined) break;
    room -= shown.length;
    if (n < MAX_SHOWN && room >= 0) parameters.push(shown);
  }
  if (isWhole) {
    readFormats(content);
    content.finish();
  }
  return { portal, statement, parameters, hidden: count - parameters.length };
}

/** Content of Close or Describe. */
export function readNamed(
  bytes: Buffer,
  start: number,
  end: number,
): { readonly isStatement: boolean; readonly name: string } {
  const content = new Content(bytes, start, end);
  const kind = content.byte();
  if (kind !== 0x53 && kind !== 0x50) throw malformed('neither a statement nor a portal');
  const name = content.text();
  content.finish();
  return { isStatement: kind === 0x53, name };
}

/** Content of Execute. */
export function readExecute(bytes: Buffer, start: number, end: number): string {
  const content = new Content(bytes, start, end);
  const portal = content.text();
  content.skip(4);
  content.finish();
  return portal;
}

/** Content of FunctionCall: object id of the function and its arguments. */
export function readFunctionCall(
  bytes: Buffer,
  start: number,
  end: number,
  isWhole: boolean,
): { readonly functionId: number; readonly parameters: readonly string[] } {
  const content = new Content(bytes, start, end);
  const functionId = content.uint32();
  const formats = readFormats(content);
  const count = content.uint16();
  const parameters: string[] = [];
  for (let n = 0; n < count; n++) {
    const shown = readValue(content, isWhole, formats[formats.length === 1 ? 0 : n] ?? 0, 0);
    if (shown === undefined) break;
    if (n < MAX_SHOWN) parameters.push(shown);
  }
  if (isWhole) {
    content.skip(2);
    content.finish();
  }
  return { functionId, parameters };
}

function readFormats(content: Content): readonly number[] {
  const count = content.uint16();
  if (count === 0) return NO_TYPES;
  return Array.from({ length: count }, () => content.uint16());
}

/** Undefined where the message was cut off. */
function readValue(content: Content, isWhole: boolean, format: number, type: number): string | undefined {
  if (!isWhole && content.left < 4) return undefined;
  const length = content.int32();
  if (length === -1) return 'NULL';
  if (!isWhole && length > content.left) {
    const shown = parameterText(content.bytes(content.left), format, 0);
    return `${shown}... (${length} bytes)`;
  }
  return parameterText(content.bytes(length), format, type);
}

/** Not within a character of UTF-8. */
function endOfText(bytes: Buffer, start: number, end: number): number {
  let at = end;
  while (at > start && end - at < 4 && ((bytes[at - 1] ?? 0) & 0xc0) === 0x80) at--;
  return at > start && (bytes[at - 1] ?? 0) >= 0xc0 ? at - 1 : end;
}
