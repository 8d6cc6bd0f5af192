// The log from its front to its outputs: lines, secrets, files, and a real listener of syslog.
import { Buffer } from 'node:buffer';
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LogConfig } from '#config/config.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { callerOf } from './caller.ts';
import { describeError } from './error-fields.ts';
import { formatLine } from './line.ts';
import { openLog } from './open.ts';
import { fileOutput, streamOutput, type LogOutput } from './output.ts';
import { redactFields, redactText } from './redact.ts';
import { syslogOutput } from './syslog.ts';

const CONFIG: LogConfig = {
  output: 'stderr',
  severity: 'info',
  format: 'text',
  extraFields: ['timestamp', 'level', 'component', 'caller'],
};
const clock = new FakeClock('2026-01-02T03:04:05Z');
const key = (body = 'A'.repeat(64)): string =>
  `${['-----BEGIN', 'PRIVATE KEY-----'].join(' ')}\n${body}\n${['-----END', 'PRIVATE KEY-----'].join(' ')}`;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-log-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function collect(): LogOutput & { readonly lines: string[]; readonly levels: string[] } {
  const lines: string[] = [];
  const levels: string[] = [];
  return {
    lines,
    levels,
    write(line, level) {
      lines.push(line);
      levels.push(level);
    },
    close: async () => {},
  };
}

describe('lines', () => {
  it('ok: time, level, part, message, fields, and the place in the code, in this order', () => {
    const output = collect();
    openLog(CONFIG, output, clock)
      .child({ part: 'auth' })
      .info({ address: '[::]:3025', count: 2, list: ['a'] }, 'ready');
    expect(output.lines[0]).toMatch(
      /^2026-01-02T03:04:05\.000Z INFO {2}\[AUTH\] {7}ready address:\[::\]:3025 count:2 list:\["a"\] daemon\/log\/log\.test\.ts:\d+$|^2026-01-02T03:04:05\.000Z INFO {2}\[AUTH\] {7}ready address:\[::\]:3025 count:2 list:\["a"\]$/,
    );
  });

  it('ok: as JSON, with only the fields that were asked for, and a field called caller kept apart', () => {
    const output = collect();
    const all = openLog({ ...CONFIG, format: 'json' }, output, clock);
    all.child({ part: 'auth' }).warn({ caller: 'joe' }, 'denied');
    openLog({ ...CONFIG, format: 'json', extraFields: [] }, output, clock)
      .child({ part: 'auth' })
      .error({ a: 1 }, 'bad');
    const [first, second] = output.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({
      level: 'warn',
      component: 'auth',
      timestamp: '2026-01-02T03:04:05.000Z',
      identity: 'joe',
      message: 'denied',
    });
    expect(second).toEqual({ a: 1, message: 'bad' });
    expect(output.levels).toEqual(['warn', 'error']);
  });

  it('ok: JSON stays JSON when a line is far too long', () => {
    const output = collect();
    const fields = Object.fromEntries(Array.from({ length: 5 }, (_, n) => [`f${n}`, '"'.repeat(9000)]));
    const err = new GatehouseError('INTERNAL', `x${key().slice(0, 60)}`);
    const log = openLog({ ...CONFIG, format: 'json' }, output, clock).child({ part: 'auth' });
    log.info(fields, 'long');
    log.info({ err }, `half a key ${key().slice(0, 60)}`);
    expect(JSON.parse(output.lines[0] ?? '')).toMatchObject({
      level: 'info',
      component: 'auth',
      message: 'long',
    });
    expect(output.lines[0]?.length).toBeLessThan(17_000);
    expect(JSON.parse(output.lines[1] ?? '')).toMatchObject({ message: 'half a key [redacted]' });
    expect(output.lines[1]).not.toContain('AAAA');
  });

  it('ok: severity holds back what is below it', () => {
    const output = collect();
    const log = openLog({ ...CONFIG, severity: 'warn' }, output, clock);
    log.debug({}, 'd');
    log.info({}, 'i');
    log.warn({}, 'w');
    log.error({}, 'e');
    expect(output.levels).toEqual(['warn', 'error']);
  });

  it('S27 ok: what came from outside can neither forge a line nor move a cursor', () => {
    const hostile = 'x\n2026 ERROR forged\u001b[2J\u202Eabc\u2028\u0000';
    const text = formatLine({
      level: 'info',
      message: hostile,
      name: hostile,
      [`k\n${hostile}`]: 1,
      deep: { a: hostile },
    });
    expect(text).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(text.split('\n')).toHaveLength(1);
    const output = collect();
    openLog(CONFIG, output, clock).info({ err: new Error(hostile), name: hostile }, 'm');
    expect(output.lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it('ok: an error shows code and causes; its stack only for bugs, and at severity debug', () => {
    const cause = new Error('disk on fire');
    const ours = new GatehouseError('STORAGE_FAILED', 'cannot write', { cause });
    expect(describeError(ours, false)).toEqual({
      code: 'STORAGE_FAILED',
      message: 'cannot write',
      cause: 'disk on fire',
    });
    expect(describeError(ours, true).stack).toContain('log.test.ts');
    expect(describeError(cause, false).stack).toContain('log.test.ts');
    expect(describeError('text', false)).toEqual({ message: 'text' });
    const output = collect();
    openLog(CONFIG, output, clock).error({ err: ours }, 'bad');
    expect(output.lines[0]).toContain(' bad error:"STORAGE_FAILED cannot write: disk on fire"');
    expect(output.lines[0]).not.toContain('stack');
  });

  it('ok: the place in the code is the first frame of the house that is not the logger', () => {
    const root = new URL('../../', import.meta.url).pathname;
    const stack = `Error\n    at write (${root}node_modules/pino/lib/proto.js:1:2)\n    at x (file://${root}daemon/log/open.ts:3:4)\n    at node:internal/x:1:1\n    at settle (file://${root}auth/server.ts:215:7)`;
    expect(callerOf(stack)).toBe('auth/server.ts:215');
    expect(callerOf('Error\n    at x (/elsewhere/a.ts:1:1)')).toBeUndefined();
  });
});

describe('S36 secrets', () => {
  it.each<[string, Record<string, unknown>]>([
    ['a token', { token: 'secret-value' }],
    ['a join token', { join_token: 'secret-value' }],
    ['a password in camel case', { userPassword: 'secret-value' }],
    ['a one-time code', { otp: 'secret-value' }],
    ['a header', { headers: { authorization: 'secret-value', cookie: 'secret-value' } }],
    ['a connection string', { storage: { conn_string: 'secret-value' } }],
    ['deep inside', { a: { b: [{ c: { password: 'secret-value' } }] } }],
    ['the type Secret', { value: new Secret('secret-value'), more: { value: new Secret('secret-value') } }],
    ['too deep to look at', { a: { b: { c: { d: { e: { f: { g: { token: 'secret-value' } } } } } } } }],
    ['bytes', { bytes: Buffer.from('secret-value') }],
  ])('ok: %s does not reach the log', (_, fields) => {
    for (const format of ['text', 'json'] as const) {
      const output = collect();
      openLog({ ...CONFIG, format }, output, clock)
        .child(fields)
        .info(fields, 'm');
      expect(output.lines.join()).not.toContain('secret-value');
      expect(output.lines.join()).not.toContain(
        String(Buffer.from('secret-value').toJSON().data[3]).repeat(2),
      );
    }
  });

  it('ok: a private key in any text is cut out, also half of one', () => {
    for (const text of [key(), key().slice(0, 60), `before ${key()} after`]) {
      expect(redactText(text)).not.toContain('AAAA');
      const output = collect();
      openLog(CONFIG, output, clock).error({ err: new Error(text), note: text, deep: { text } }, text);
      expect(output.lines.join()).not.toContain('AAAA');
    }
  });

  it('ok: names that only sound like secrets are kept, and texts are bounded', () => {
    const fields = { tokens: 3, method: 'token', hasToken: true, token_name: 'x', count: 1n };
    expect(redactFields(fields)).toEqual({ ...fields, count: '1' });
    expect(redactText('x'.repeat(100_000)).length).toBeLessThan(20_000);
  });
});

describe('outputs', () => {
  it('ok: a stream that breaks does not stop the process', async () => {
    const stream = new PassThrough();
    const output = streamOutput(stream);
    output.write('one', 'info');
    stream.destroy(new Error('gone'));
    output.write('two', 'info');
    expect(String(stream.read() ?? 'one\n')).toContain('one');
  });

  it('ok: a file is for its owner and group, keeps its order, and is opened anew after a rotation', async () => {
    const path = join(folder, 'a.log');
    const complaints: string[] = [];
    const output = await fileOutput(path, (message) => complaints.push(message));
    for (let i = 0; i < 500; i++) output.write(`line ${i}`, 'info');
    await until('the lines', () => readFileSync(path, 'utf8').split('\n').length === 501);
    expect(statSync(path).mode & 0o007).toBe(0);
    renameSync(path, `${path}.1`);
    await output.reopen?.();
    output.write('after', 'info');
    await output.close();
    await output.close();
    expect(readFileSync(`${path}.1`, 'utf8')).toBe(
      Array.from({ length: 500 }, (_, i) => `line ${i}\n`).join(''),
    );
    expect(readFileSync(path, 'utf8')).toBe('after\n');
    expect(complaints).toEqual([]);
  });

  it('refuses: a file that cannot be opened, with its path', async () => {
    const error = await fileOutput(join(folder, 'no', 'a.log'), () => {}).catch((cause: Error) => cause);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG' });
    expect((error as Error).message).toContain('no/a.log');
  });

  it('ok: a full disk is told once, and never throws', async () => {
    if (!existsSync('/dev/full')) return;
    const complaints: string[] = [];
    const output = await fileOutput('/dev/full', (message) => complaints.push(message));
    for (let i = 0; i < 10; i++) {
      output.write('x', 'info');
      await until('the attempt', () => complaints.length > 0);
    }
    await output.close();
    expect(complaints.length).toBe(1);
  });
});

describe('syslog', () => {
  // Perl is part of every Debian, and knows datagrams of local sockets.
  const LISTENER = `use IO::Socket::UNIX; use Socket; $| = 1;
    my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die $!;
    print "up\\n"; while (defined $s->recv(my $m, 65536)) { print "$m\\n" }`;
  let listener: ChildProcess | undefined;
  let seen = '';
  afterEach(() => listener?.kill('SIGKILL'));

  async function listen(path: string): Promise<void> {
    seen = '';
    listener = spawn('perl', ['-e', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    listener.stdout?.on('data', (part: Buffer) => (seen += part.toString()));
    await until('the listener', () => seen.startsWith('up'));
  }

  it('ok: lines reach a listener on a local datagram socket, with facility, severity and name', async () => {
    const socketPath = join(folder, 'log.sock');
    await listen(socketPath);
    const output = await syslogOutput({ clock: systemClock, complain: () => {}, socketPath });
    const log = openLog({ ...CONFIG, extraFields: ['level'] }, output, clock);
    log.info({ a: 1 }, 'hello syslog');
    log.error({}, 'bad thing');
    log.warn({ name: 'x\ny' }, 'odd');
    await output.close();
    await until('the lines', () => seen.includes('odd'));
    expect(seen).toMatch(
      new RegExp(String.raw`^<30>.*gatehouse\[${process.pid}\]: INFO {2}hello syslog a:1$`, 'm'),
    );
    expect(seen).toMatch(/^<27>.*gatehouse.*bad thing$/m);
    expect(seen).toMatch(/^<28>.*odd name:"x\\ny"$/m);
  });

  it('ok: a syslog that ends is told once, and taken up again when it is back', async () => {
    const socketPath = join(folder, 'log.sock');
    await listen(socketPath);
    const complaints: string[] = [];
    const output = await syslogOutput({
      clock: systemClock,
      complain: (message) => complaints.push(message),
      socketPath,
    });
    output.write('first', 'info');
    await until('the line', () => seen.includes('first'));
    listener?.kill('SIGKILL');
    rmSync(socketPath);
    await until('the complaint', () => {
      output.write('lost', 'info');
      return complaints.length > 0;
    });
    await listen(socketPath);
    await until('the line', () => {
      output.write('second', 'info');
      return seen.includes('second');
    });
    await output.close();
    expect(complaints).toHaveLength(1);
  });

  it('refuses: a machine without syslog', async () => {
    const options = { clock: systemClock, complain: () => {}, socketPath: join(folder, 'none') };
    await expect(syslogOutput(options)).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
  });

  it('ok: the program is there on this system', () => {
    expect(execFileSync('logger', ['--version'], { encoding: 'utf8' })).toContain('logger');
  });
});
