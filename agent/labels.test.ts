import { describe, expect, it } from 'vitest';
import { silentLog, type Log } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { until } from '#test/kit/until.ts';
import { cleanValue, environmentOf, startCommandLabels } from './labels.ts';
import { runCommand } from './run-command.ts';

const env = environmentOf({ PATH: process.env['PATH'] });
const run = (command: readonly string[], timeoutMs?: number) =>
  runCommand(command, {
    env,
    signal: new AbortController().signal,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });

describe('commands', () => {
  it('ok: what a program prints', async () => {
    expect(await run(['echo', 'one', 'two'])).toEqual({ ok: true, output: 'one two\n' });
    expect(await run(['/bin/sh', '-c', 'echo a | tr a b'])).toEqual({ ok: true, output: 'b\n' });
  });

  it('S22 ok: arguments are not read by a shell', async () => {
    const hostile = '$(touch /tmp/pwned); `id` | & > "';
    expect(await run(['echo', hostile])).toEqual({ ok: true, output: `${hostile}\n` });
  });

  it('S22 ok: the environment holds what programs need, and no secret of the daemon', async () => {
    const given = {
      PATH: '/usr/bin',
      LANG: 'C',
      AWS_SECRET_ACCESS_KEY: 'secret',
      LD_PRELOAD: '/x.so',
      HOME: '/root',
    };
    expect(environmentOf(given)).toEqual({ PATH: '/usr/bin', LANG: 'C', HOME: '/root' });
    const outcome = await runCommand(['/usr/bin/env'], {
      env: environmentOf(given),
      signal: new AbortController().signal,
    });
    expect(outcome.ok && outcome.output.trim().split('\n').sort()).toEqual([
      'HOME=/root',
      'LANG=C',
      'PATH=/usr/bin',
    ]);
  });

  it.each([
    ['is not there', ['/no/such/program'], 'cannot be started (ENOENT)'],
    ['has a file for a folder', ['/etc/passwd/program'], 'cannot be started (E'],
    ['has a word that no program can be given', ['echo', 'a\u0000b'], 'cannot be started (E'],
    ['has more words than the system takes', ['echo', 'x'.repeat(200_000)], 'cannot be started (E'],
    ['fails', ['/bin/sh', '-c', 'exit 3'], 'exit code 3'],
    [
      'prints without end',
      ['/bin/sh', '-c', 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxx; done'],
      'more than 16384 bytes',
    ],
    ['is killed', ['/bin/sh', '-c', 'kill -9 $$'], 'ended by SIGKILL'],
  ])('refuses: one that %s', async (_, command, reason) => {
    const outcome = await run(command);
    expect(outcome.ok ? 'ok' : outcome.reason).toContain(reason);
  });

  it('refuses: one that does not end, and ends what it started as well', async () => {
    const marker = `31${process.pid}`;
    const outcome = await run(['/bin/sh', '-c', `sleep ${marker} & sleep ${marker}`], 200);
    expect(outcome).toEqual({ ok: false, reason: 'no end after 0.2 s' });
    await until('its children to be gone', async () => {
      const left = await run([
        '/bin/sh',
        '-c',
        `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c "^sleep ${marker}" || true`,
      ]);
      return left.ok && left.output.trim() === '0';
    });
  });
});

describe('labels', () => {
  it('ok: run at once and at their period, and a failure empties the value', async () => {
    const clock = new FakeClock();
    const outputs = ['first', 'second', undefined, 'fourth'];
    const warnings: string[] = [];
    const log: Log = { ...silentLog, warn: (_, message) => warnings.push(message) };
    const labels = startCommandLabels({
      clock,
      log,
      commands: [{ name: 'load', command: ['x'], periodMs: 60_000 }],
      environment: {},
      run: async () => {
        const output = outputs.shift();
        return output === undefined ? { ok: false, reason: 'exit code 1' } : { ok: true, output };
      },
    });
    await labels.ready;
    expect(labels.results()).toEqual({ load: 'first' });
    const seen = [];
    for (let i = 0; i < 3; i++) {
      await clock.advance(60_000);
      seen.push(labels.results()['load']);
    }
    expect(seen).toEqual(['second', '', 'fourth']);
    expect(warnings).toHaveLength(1);
    await labels.close();
  });

  it('ok: at most four at one time, however many there are', async () => {
    let now = 0;
    let most = 0;
    const labels = startCommandLabels({
      clock: new FakeClock(),
      log: silentLog,
      commands: Array.from({ length: 40 }, (_, n) => ({ name: `l${n}`, command: ['x'], periodMs: 60_000 })),
      environment: {},
      run: async () => {
        most = Math.max(most, ++now);
        await Promise.resolve();
        now--;
        return { ok: true, output: 'x' };
      },
    });
    await labels.ready;
    expect([most, Object.keys(labels.results()).length]).toEqual([4, 40]);
    await labels.close();
  });

  it.each([
    ['  two \n lines\r\n', 'two   lines'],
    ['a\u001b[31mred\u001b[0m', 'a [31mred [0m'],
    ['rtl\u202Etext', 'rtl text'],
    ['x'.repeat(5000), 'x'.repeat(1024)],
    ['', ''],
  ])('S27 ok: a value is one line without control characters: %j', (output, value) => {
    expect(cleanValue(output)).toBe(value);
  });
});
