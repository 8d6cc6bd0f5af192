// The PostgreSQL protocol against what its documentation says: streams in any pieces, first packets, queries and values,
// errors, SCRAM as its RFC shows it.
import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { GatehouseError } from '#core/errors/error.ts';
import { readBind, readParse, readQuery } from './client-messages.ts';
import { parameterText } from './parameter-text.ts';
import { CLIENT, SERVER } from './protocol.ts';
import { MessageScanner } from './scanner.ts';
import { beginScram } from './scram.ts';
import { readCommandTag, readError } from './server-messages.ts';
import { parseFirstPacket, readFirstPacket } from './startup.ts';
import { TextHash } from './text-hash.ts';
import { cancelRequest, errorMessage, message, sslRequest, startupPacket, uint32 } from './write.ts';

const codeOf = (run: () => unknown): string => {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return error instanceof GatehouseError ? error.code : String(error);
  }
};

describe('messages in a stream', () => {
  test('ok: what is found does not depend on the pieces, and no more is held than is wanted', () => {
    const one = fc.tuple(fc.constantFrom(0x51, 0x44, 0x64, 0x53), fc.uint8Array({ maxLength: 300 }));
    fc.assert(
      fc.property(
        fc.array(one, { maxLength: 12 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        (messages, cuts) => {
          const bytes = Buffer.concat(messages.map(([type, content]) => message(type, content)));
          const seen: [number, string][] = [];
          const pieces: Buffer[] = [];
          const scanner = new MessageScanner({
            begin: (type) => (type === 0x44 ? -1 : 100),
            piece: (_, piece, start, end) => void pieces.push(Buffer.from(piece.subarray(start, end))),
            message: (type, content, start, end) =>
              void seen.push([type, content.toString('hex', start, end)]),
          });
          const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
          at.slice(1).forEach((end, n) => scanner.scan(bytes.subarray(at[n], end)));
          const wanted = messages.filter(([type]) => type !== 0x44);
          expect(seen).toEqual(
            wanted.map(([type, content]) => [type, Buffer.from(content.subarray(0, 100)).toString('hex')]),
          );
          const long = wanted.filter(([, content]) => content.length > 100).map(([, content]) => content);
          expect(Buffer.concat(pieces)).toEqual(Buffer.concat(long));
          expect(scanner.isBetween).toBe(true);
        },
      ),
    );
  });

  test('refuses: S34 a length that is too small', () => {
    const scanner = new MessageScanner({ begin: () => 0, piece() {}, message() {} });
    expect(codeOf(() => scanner.scan(Buffer.from([0x51, 0, 0, 0, 3])))).toBe('BAD_REQUEST');
  });
});

describe('the first packet', () => {
  test('ok: requests, cancelling and a startup message', () => {
    expect(parseFirstPacket(sslRequest().subarray(4))).toEqual({ type: 'ssl' });
    expect(parseFirstPacket(cancelRequest(0xffff_fff0, 5).subarray(4))).toEqual({
      type: 'cancel',
      processId: 0xffff_fff0,
      secret: 5,
    });
    const packet = parseFirstPacket(
      startupPacket([
        ['user', 'Ä"x'],
        ['database', 'a b'],
      ]).subarray(4),
    );
    expect(packet).toMatchObject({ type: 'startup', major: 3, minor: 0 });
    expect(packet.type === 'startup' && [...packet.parameters]).toEqual([
      ['user', 'Ä"x'],
      ['database', 'a b'],
    ]);
  });

  test('ok: read from a stream in pieces, with what follows left in it', async () => {
    const [near, far] = duplexPair();
    const bytes = Buffer.concat([startupPacket([['user', 'alice']]), Buffer.from('rest')]);
    const reading = readFirstPacket(near);
    for (const byte of bytes) far.write(Buffer.of(byte));
    expect(await reading).toMatchObject({ type: 'startup' });
    far.end();
    const rest: Buffer[] = [];
    for await (const piece of near) rest.push(piece as Buffer);
    expect(Buffer.concat(rest).toString()).toBe('rest');
  });

  test.each([
    [
      'S15 a parameter that is there twice',
      startupPacket([
        ['user', 'a'],
        ['user', 'b'],
      ]).subarray(4),
    ],
    [
      'S15 a name that is not UTF-8',
      Buffer.concat([uint32(3 << 16), Buffer.from('user\0\xff\0\0', 'latin1')]),
    ],
    ['no end', Buffer.concat([uint32(3 << 16), Buffer.from('user\0x')])],
    ['more after the end', Buffer.concat([startupPacket([['user', 'a']]).subarray(4), Buffer.of(1)])],
    ['a cancel request that is too long', Buffer.concat([cancelRequest(1, 2).subarray(4), Buffer.of(1)])],
  ])('refuses: %s', (_, bytes) => {
    expect(codeOf(() => parseFirstPacket(bytes))).toBe('BAD_REQUEST');
  });

  test('refuses: S34 a length of 2 GiB, before anything is held', async () => {
    const [near, far] = duplexPair();
    far.write(uint32(0x7fff_ffff));
    await expect(readFirstPacket(near)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });
});

describe('what clients send', () => {
  test('ok: a query, cut within a character', () => {
    const bytes = Buffer.from('select ä\0');
    expect(readQuery(bytes, 0, bytes.length, true)).toBe('select ä');
    expect(readQuery(bytes, 0, 8, false)).toBe('select ');
  });

  test('ok: text that is no UTF-8 is shown byte by byte', () => {
    const bytes = Buffer.from('select \xe4\0', 'latin1');
    expect(readQuery(bytes, 0, bytes.length, true)).toBe('select ä');
  });

  test('refuses: S35 a query with something behind its end', () => {
    const bytes = Buffer.from('select 1\0; drop table x\0');
    expect(codeOf(() => readQuery(bytes, 0, bytes.length, true))).toBe('BAD_REQUEST');
  });

  test('ok: values in both formats, by type where it is known', () => {
    const content = Buffer.concat([
      Buffer.from('p\0s\0'),
      Buffer.from([0, 3, 0, 0, 0, 1, 0, 1, 0, 3]),
      uint32(2),
      Buffer.from('hi'),
      uint32(4),
      Buffer.from([0xff, 0xff, 0xff, 0xfe]),
      uint32(0xffff_ffff),
      Buffer.from([0, 0]),
    ]);
    expect(readBind(content, 0, content.length, true, () => [25, 23, 25])).toEqual({
      portal: 'p',
      statement: 's',
      parameters: ['hi', '-2', 'NULL'],
      hidden: 0,
    });
    const cut = readBind(content, 0, content.length - 9, false, () => [25, 23, 25]);
    expect(cut).toMatchObject({
      parameters: ['hi', '\\xff... (4 bytes)'],
      hidden: 1,
    });
  });

  test('ok: as many values as there can be, each with its format', () => {
    const count = 65_535;
    const formats = Buffer.alloc(2 + 2 * count, 0);
    formats.writeUInt16BE(count);
    const values = Buffer.concat([uint32(6), Buffer.from('\x01\x01\x01\x01\x01\x01')]);
    const content = Buffer.concat([
      Buffer.from('\0\0'),
      formats,
      formats.subarray(0, 2),
      Buffer.concat(Array.from({ length: count }, () => values)),
      Buffer.from([0, 0]),
    ]);
    const whole = readBind(content, 0, content.length, true, () => []);
    expect(whole).toMatchObject({ hidden: count - 1000 });
    const cut = readBind(content, 0, 192 * 1024, false, () => []);
    expect(cut.parameters).toHaveLength(1000);
    expect(cut.hidden).toBe(count - 1000);
  });

  test('S35 ok: values that are long are told of in part, so that there is always room for the event', () => {
    const value = Buffer.concat([uint32(4000), Buffer.alloc(4000, 1)]);
    const content = Buffer.concat([
      Buffer.from('\0\0\0\0\0\x28'),
      Buffer.concat(Array.from({ length: 40 }, () => value)),
      Buffer.from([0, 0]),
    ]);
    const { parameters, hidden } = readBind(content, 0, content.length, true, () => []);
    expect(parameters.join('')).toHaveLength(64_000);
    expect(hidden).toBe(24);
  });

  test('ok: a statement with its types', () => {
    const content = Buffer.from('s\0select $1\0\0\x01\0\0\0\x17', 'latin1');
    expect(readParse(content, 0, content.length, true)).toEqual({
      statement: 's',
      query: 'select $1',
      types: [23],
    });
    expect(readParse(content, 0, 6, false)).toEqual({ statement: 's', query: 'sele', types: [] });
  });

  test.each([
    [23, 'ffffffff', '-1'],
    [20, '7fffffffffffffff', '9223372036854775807'],
    [16, '01', 'true'],
    [701, '3ff8000000000000', '1.5'],
    [2950, '000102030405060708090a0b0c0d0e0f', '00010203-0405-0607-0809-0a0b0c0d0e0f'],
    [1082, '00000001', '2000-01-02'],
    [1184, '0000000000000000', '2000-01-01T00:00:00.000Z'],
    [1184, '7fffffffffffffff', '\\x7fffffffffffffff'],
    [23, 'ff', '\\xff'],
    [0, 'cafe', '\\xcafe'],
  ])('ok: a binary value of type %i', (type, hex, shown) => {
    expect(parameterText(Buffer.from(hex, 'hex'), 1, type)).toBe(shown);
  });

  test('ok: the hash of a text within a message is that of the text', () => {
    const hash = new TextHash(1);
    const content = Buffer.from('name\0select 1\0\0\0');
    for (let n = 0; n < content.length; n++) hash.add(content, n, n + 1);
    expect(hash.finish()).toBe(
      '8 bytes, sha256 822ae07d4783158bc1912bb623e5107cc9002d519e1143a9c200ed6ee18b6d0f',
    );
  });
});

describe('what servers send', () => {
  test.each([
    ['INSERT 0 5', 5],
    ['SELECT 1234567', 1_234_567],
    ['CREATE TABLE', undefined],
    ['', undefined],
  ])('ok: the rows of "%s"', (tag, rows) => {
    const bytes = Buffer.from(`${tag}\0`);
    expect(readCommandTag(bytes, 0, bytes.length)).toEqual({ tag, rows });
  });

  test('ok: an error comes back as it was written', () => {
    const error = { severity: 'FATAL', code: '28000', message: 'no', detail: 'd', hint: 'h' } as const;
    const bytes = errorMessage(error);
    expect(bytes[0]).toBe(SERVER.error);
    expect(readError(bytes, 5, bytes.length)).toEqual(error);
  });

  test('ok: a text with a zero byte cannot begin another field', () => {
    const bytes = errorMessage({ severity: 'FATAL', code: '28000', message: 'a\0Hnot so' });
    expect(readError(bytes, 5, bytes.length)).toMatchObject({ message: 'a Hnot so', hint: undefined });
    expect(message(CLIENT.sync)).toEqual(Buffer.from([0x53, 0, 0, 0, 4]));
  });
});

describe('SCRAM', () => {
  // RFC 7677, section 3.
  const NONCE = 'rOprNGfwEbeRWgbNEkqO';
  const CHALLENGE = `r=${NONCE}%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`;

  test('ok: the exchange of the RFC, but for the name, which PostgreSQL leaves empty', async () => {
    const scram = beginScram('pencil', NONCE);
    expect(scram.first).toBe(`n,,n=,r=${NONCE}`);
    const reply = await scram.respond(CHALLENGE);
    expect(reply).toMatch(
      /^c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj\)hNlF\$k0,p=[A-Za-z0-9+/]{43}=$/,
    );
  });

  test.each([
    ['another nonce', 'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['iterations without end', CHALLENGE.replace('4096', '9999999')],
    ['no iterations', CHALLENGE.replace('4096', '0')],
  ])('refuses: %s', async (_, challenge) => {
    await expect(beginScram('pencil', NONCE).respond(challenge)).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
  });

  test('refuses: a server that does not know the password', async () => {
    const scram = beginScram('pencil', NONCE);
    await scram.respond(CHALLENGE);
    expect(codeOf(() => scram.verify('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='))).toBe(
      'UNAUTHENTICATED',
    );
  });
});
