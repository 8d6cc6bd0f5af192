// Fuzz target: what a client or a server sends after the login, whatever the pieces. Besides not failing, the messages
// found must not depend on where the bytes are cut.
import {
  readBind,
  readExecute,
  readFunctionCall,
  readNamed,
  readParse,
  readQuery,
} from './client-messages.ts';
import { CLIENT, SERVER } from './protocol.ts';
import { MessageScanner } from './scanner.ts';
import { readCommandTag, readError } from './server-messages.ts';
import { errorMessage, message, uint32 } from './write.ts';

const WANTED = 64;

function read(type: number, bytes: Buffer, start: number, end: number, isWhole: boolean): unknown {
  switch (type) {
    case CLIENT.query:
      return readQuery(bytes, start, end, isWhole);
    case CLIENT.parse:
      return readParse(bytes, start, end, isWhole);
    case CLIENT.bind:
      return readBind(bytes, start, end, isWhole, () => [23, 2950, 1184, 701]);
    case CLIENT.functionCall:
      return readFunctionCall(bytes, start, end, isWhole);
    // 'E' is Execute of a client, and an error of a server.
    case CLIENT.execute:
      return end > start && bytes[start] === 0x53
        ? readError(bytes, start, end)
        : isWhole && readExecute(bytes, start, end);
    // 'C' is Close, and CommandComplete.
    case CLIENT.close:
      return isWhole && (end - start > 6 ? readCommandTag(bytes, start, end) : readNamed(bytes, start, end));
    default:
      return end - start;
  }
}

function found(pieces: readonly Buffer[]): string {
  const messages: unknown[] = [];
  const scanner = new MessageScanner({
    begin: (type) => (type === SERVER.dataRow ? -1 : WANTED),
    piece: () => {},
    message: (type, bytes, start, end, length) =>
      void messages.push([type, length, read(type, bytes, start, end, end - start === length)]),
  });
  for (const piece of pieces) scanner.scan(piece);
  return JSON.stringify([messages, scanner.isBetween]);
}

const bind = message(
  CLIENT.bind,
  'portal',
  'statement',
  Buffer.from([0, 2, 0, 0, 0, 1, 0, 2, 0, 0, 0, 2, 0x68, 0x69, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0]),
);
const rows = [message(SERVER.dataRow, Buffer.alloc(100)), message(SERVER.commandComplete, 'SELECT 1')];

export const fuzz = {
  name: 'PostgreSQL messages',
  seeds: [
    Buffer.concat([message(CLIENT.query, 'select 1'), message(CLIENT.sync)]),
    Buffer.concat([message(CLIENT.parse, 's', 'select $1', Buffer.of(0, 1, 0, 0, 0, 23)), bind]),
    Buffer.concat([message(CLIENT.execute, '', uint32(0)), message(CLIENT.close, 'Ss')]),
    message(CLIENT.query, 'x'.repeat(200)),
    message(CLIENT.functionCall, uint32(952), Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 49, 0, 0])),
    Buffer.concat([...rows, errorMessage({ severity: 'ERROR', code: '42P01', message: 'no', hint: 'yes' })]),
  ].map((seed) => new Uint8Array(seed)),
  run(input: Uint8Array): void {
    const bytes = Buffer.from(input);
    const whole = found([bytes]);
    const cut = bytes.length >> 1;
    const inTwo = found([bytes.subarray(0, cut), bytes.subarray(cut)]);
    const single = bytes.length > 2000 ? whole : found([...bytes].map((byte) => Buffer.of(byte)));
    if (whole !== inTwo || whole !== single)
      throw new Error('what is found depends on where the bytes are cut');
  },
};
