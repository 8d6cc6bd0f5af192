import { describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import type { PayloadCodec } from './payload-codec.ts';
import * as payloads from './payloads.ts';
import { decodeTerminalModes, encodeTerminalModes } from './terminal-modes.ts';

const reasonOf = (run: () => unknown): string => {
  try {
    run();
    return 'accepted';
  } catch (error) {
    return error instanceof GatehouseError
      ? `${error.code} ${String(error.details['reason'])}`
      : String(error);
  }
};
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const text = (value: string): string => {
  const bytes = Buffer.from(value);
  return bytes.length.toString(16).padStart(8, '0') + bytes.toString('hex');
};
const number = (value: number): string => value.toString(16).padStart(8, '0');

const origin = { originHost: '::1', originPort: 4711 };
const cases: readonly (readonly [string, PayloadCodec<object>, object, string])[] = [
  [
    'pty-req',
    payloads.ptyRequest,
    { term: 'vt100', columns: 80, rows: 24, widthPixels: 640, heightPixels: 480, modes: Uint8Array.of(0) },
    text('vt100') + number(80) + number(24) + number(640) + number(480) + '0000000100',
  ],
  [
    'window-change',
    payloads.windowChange,
    { columns: 80, rows: 24, widthPixels: 0, heightPixels: 0 },
    number(80) + number(24) + number(0) + number(0),
  ],
  ['env', payloads.envRequest, { name: 'LANG', value: 'C' }, text('LANG') + text('C')],
  ['exec', payloads.execRequest, { command: 'echo ü' }, text('echo ü')],
  ['subsystem', payloads.subsystemRequest, { name: 'sftp' }, text('sftp')],
  ['signal', payloads.signalRequest, { signal: 'TERM' }, text('TERM')],
  ['exit-status', payloads.exitStatus, { code: 255 }, number(255)],
  [
    'exit-signal',
    payloads.exitSignal,
    { signal: 'KILL', coreDumped: true, message: 'm', language: 'en' },
    text('KILL') + '01' + text('m') + text('en'),
  ],
  [
    'x11-req',
    payloads.x11Request,
    { singleConnection: false, protocol: 'MIT-MAGIC-COOKIE-1', cookie: '00ff', screen: 1 },
    '00' + text('MIT-MAGIC-COOKIE-1') + text('00ff') + number(1),
  ],
  ['x11', payloads.x11Open, origin, text('::1') + number(4711)],
  [
    'direct-tcpip',
    payloads.directTcpip,
    { host: 'db', port: 5432, ...origin },
    text('db') + number(5432) + text('::1') + number(4711),
  ],
  [
    'forwarded-tcpip',
    payloads.forwardedTcpip,
    { host: '', port: 8080, ...origin },
    text('') + number(8080) + text('::1') + number(4711),
  ],
  ['tcpip-forward', payloads.tcpipForward, { host: 'localhost', port: 0 }, text('localhost') + number(0)],
  ['the reply to tcpip-forward', payloads.boundPort, { port: 40000 }, number(40000)],
  ['streamlocal-forward', payloads.streamlocalForward, { path: '/run/a' }, text('/run/a')],
  [
    'direct-streamlocal',
    payloads.directStreamlocal,
    { path: '/run/a', reservedText: '', reservedNumber: 0 },
    text('/run/a') + text('') + number(0),
  ],
  [
    'forwarded-streamlocal',
    payloads.forwardedStreamlocal,
    { path: '/run/a', reserved: '' },
    text('/run/a') + text(''),
  ],
  ['nothing', payloads.emptyPayload, {}, ''],
];

test('ok: every payload is in the table', () => {
  expect(new Set(cases.map(([, codec]) => codec))).toEqual(new Set(Object.values(payloads)));
});

describe.each(cases)('%s', (_, codec, value, wire) => {
  test('ok: is written as the documents say, and read again', () => {
    expect(hex(codec.encode(value))).toBe(wire);
    expect(codec.decode(Buffer.from(wire, 'hex'))).toEqual(value);
  });

  test('S33 refuses: anything cut short or longer', () => {
    const bytes = Buffer.from(wire, 'hex');
    for (let length = 0; length < bytes.length; length++)
      expect(reasonOf(() => codec.decode(bytes.subarray(0, length)))).toBe('BAD_REQUEST malformed');
    expect(reasonOf(() => codec.decode(Buffer.concat([bytes, Buffer.of(0)])))).toBe(
      'BAD_REQUEST trailing-bytes',
    );
  });
});

test.each<[string, PayloadCodec<object>, string, string]>([
  ['a command that is not UTF-8', payloads.execRequest, '00000002c328', 'malformed'],
  ['S26 a NUL in a path', payloads.streamlocalForward, text('/run/a\0b'), 'malformed'],
  ['a NUL in an environment', payloads.envRequest, text('A\0=B') + text('x'), 'malformed'],
  ['S33 a host name without end', payloads.tcpipForward, text('a'.repeat(256)) + number(1), 'too-large'],
  ['S33 a length beyond the message', payloads.execRequest, 'ffffffff61', 'too-large'],
])('refuses: %s', (_, codec, wire, reason) => {
  expect(reasonOf(() => codec.decode(Buffer.from(wire, 'hex')))).toBe(`BAD_REQUEST ${reason}`);
});

test('ok: what is read is a copy', () => {
  const bytes = Buffer.from(cases[0]![3], 'hex');
  const { modes } = payloads.ptyRequest.decode(bytes);
  bytes.fill(0xff);
  expect(modes).toEqual(Uint8Array.of(0));
});

describe('terminal modes', () => {
  test('ok: up to the end, or to the first that is not defined', () => {
    const modes = encodeTerminalModes([
      [1, 3],
      [53, 1],
      [129, 38400],
    ]);
    expect(hex(modes)).toBe('01000000033500000001810000960000');
    expect([...decodeTerminalModes(modes)]).toEqual([
      [1, 3],
      [53, 1],
      [129, 38400],
    ]);
    expect([...decodeTerminalModes(Uint8Array.of(1, 0, 0, 0, 3, 160, 9, 9))]).toEqual([[1, 3]]);
    expect(decodeTerminalModes(new Uint8Array()).size).toBe(0);
  });

  test('S33 refuses: modes cut short, and more than there are', () => {
    expect(reasonOf(() => decodeTerminalModes(Uint8Array.of(1, 0, 0)))).toBe('BAD_REQUEST malformed');
    const endless = Buffer.concat(Array.from({ length: 257 }, () => Buffer.of(1, 0, 0, 0, 1)));
    expect(reasonOf(() => decodeTerminalModes(endless))).toBe('BAD_REQUEST too-large');
  });
});
