// gate on a real terminal, made by script(1): it asks, and what must not be seen is not shown.
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeOtpSecret, otpCode, otpCounter } from '#auth/accounts/otp.ts';
import { runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';
import { BIN } from './shell.ts';

const PASSWORD = 'correct horse battery';
let daemon: TestDaemon;
let home: string;
let address: string;
beforeAll(async () => {
  daemon = startDaemon();
  await daemon.ready();
  address = await daemon.authAddress();
  home = join(daemon.folder, 'home');
  mkdirSync(home);
});
afterAll(() => daemon.stop());

interface Screen {
  /** What stands on the screen after `text`, once `text` is there. */
  after(text: string): Promise<string>;
  type(text: string): void;
  readonly ended: Promise<number | null>;
  readonly text: string;
}

function onTerminal(line: string): Screen {
  const child = spawn('script', ['-qec', line, '/dev/null'], {
    env: { PATH: `${BIN}:${process.env['PATH'] ?? ''}`, HOME: home, TERM: 'xterm', NO_COLOR: '1' },
  });
  let screen = '';
  child.stdout.on('data', (part: Buffer) => (screen += part.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return {
    async after(text) {
      return until(`"${text}" on the screen`, () => {
        const at = screen.indexOf(text);
        return at === -1 ? undefined : `>${screen.slice(at + text.length)}`;
      });
    },
    type: (text) => child.stdin.write(text),
    ended,
    get text() {
      return screen;
    },
  };
}

test('ok: signup and login ask for what they need, and never show the password', async () => {
  const add = ['--config', daemon.configPath, 'users', 'add', 'joe', 'joe,root', '--format=json'];
  const invite = JSON.parse((await runProgram('gatectl', add)).stdout) as { token: string };

  const signup = onTerminal(`gate signup ${invite.token} --auth-server=${address}`);
  await signup.after('Is that the pin you were given? (yes/no) ');
  signup.type('yes\r');
  await signup.after('New password of joe: ');
  signup.type(`${PASSWORD}\r`);
  await signup.after('The same password again: ');
  signup.type(`${PASSWORD}\r`);
  await signup.after('One-time code: ');
  const secret = /secret=([A-Z2-7]+)&/.exec(signup.text)?.[1] ?? '';
  signup.type(`${codeOf(secret, Date.now())}\r`);
  await signup.after('joe is ready to sign in');
  expect(await signup.ended).toBe(0);
  expect(signup.text).not.toContain(PASSWORD);

  const login = onTerminal(`gate login --auth-server=${address} --user=joe`);
  await login.after('(yes/no) ');
  login.type('no\r');
  expect(await login.ended).toBe(1);
  expect(login.text).toContain('is not trusted; nothing was sent to it');

  const wrong = onTerminal(`gate login --auth-server=${address} --user=joe`);
  await wrong.after('(yes/no) ');
  wrong.type('yes\r');
  await wrong.after('Password of joe: ');
  wrong.type('half a pass\u0003');
  expect(await wrong.ended).toBe(2);
  expect(wrong.text).toContain('interrupted');
  expect(wrong.text).not.toContain('half');
});

const codeOf = (secret: string, now: number): string => otpCode(decodeOtpSecret(secret), otpCounter(now));
