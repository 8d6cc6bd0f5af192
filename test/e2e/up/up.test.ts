// What `make up` runs, hack/up.sh, in a folder that is a clone as far as it looks, and in a network namespace, because
// its ports are the usual ones.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';

const ROOT = join(import.meta.dirname, '../../..');
const clone = tempFolder();
mkdirSync(join(clone, 'hack'));
symlinkSync(join(ROOT, 'hack/up.sh'), join(clone, 'hack/up.sh'));
symlinkSync(join(ROOT, 'bin'), join(clone, 'bin'));
const PASSWORD = join(clone, 'password');
writeFileSync(PASSWORD, 'correct horse battery staple\n', { mode: 0o600 });

interface Up {
  readonly child: ChildProcess;
  readonly said: string;
  readonly ended: Promise<number | null>;
}

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

const environment = { ...process.env, HOME: clone, XDG_CACHE_HOME: join(clone, 'cache') };

/** Resolves when it has said what to run next. */
async function up(): Promise<Up> {
  const script = 'ip link set lo up && exec "$0"';
  const child = spawn('unshare', ['--net', 'sh', '-c', script, join(clone, 'hack/up.sh')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment,
    // A group of its own, as a terminal gives it.
    detached: true,
  });
  const running = {
    child,
    said: '',
    ended: new Promise<number | null>((resolve) => child.once('close', resolve)),
  };
  let log = '';
  child.stdout.on('data', (data: Buffer) => (running.said += data.toString()));
  child.stderr.on('data', (data: Buffer) => (log += data.toString()));
  closing.push(async () => {
    if (child.exitCode === null) interrupt(running, 'SIGTERM');
    await running.ended;
  });
  await until(
    'what to do next',
    () => {
      if (child.exitCode !== null) throw new Error(`it ended:\n${log}`);
      return /gate ssh .*\n/.test(running.said);
    },
    60_000,
  );
  return running;
}

/** As Ctrl-C does: to all of the group. */
function interrupt({ child }: Pick<Up, 'child'>, signal: NodeJS.Signals): void {
  process.kill(-(child.pid ?? 0), signal);
}

/** A line that was printed, or our own, in the same network. */
async function run({ child }: Up, line: string): Promise<{ code: number | null; output: string }> {
  const inside = spawn('nsenter', [`--net=/proc/${child.pid}/ns/net`, 'sh', '-c', line], {
    stdio: ['ignore', 'pipe', 'pipe'],
    cwd: clone,
    env: environment,
  });
  let output = '';
  for (const stream of [inside.stdout, inside.stderr])
    stream.on('data', (data: Buffer) => (output += data.toString()));
  const code = await new Promise<number | null>((resolve) => inside.once('close', resolve));
  return { code, output };
}

/** RFC 6238, of the step that is `steps` away. */
function codeOf(uri: string, steps: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const secret = /secret=([A-Z2-7]+)/.exec(uri)?.[1] ?? '';
  const bits = [...secret].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  const key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + steps));
  const digest = createHmac('sha1', key).update(counter).digest();
  const at = (digest.at(-1) ?? 0) & 15;
  return String((digest.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

const commandsOf = ({ said }: Up): string[] =>
  said.split('\n').flatMap((line) => /^ {2}(bin\/gate .*)$/.exec(line)?.[1] ?? []);

it('ok: invites an admin, whose three commands work; Ctrl-C ends it; the second start invites nobody anew', async () => {
  const first = await up();
  const url = /^ *(https:\/\/localhost:3080\/web\/newuser\/[0-9a-f]{64})$/m.exec(first.said)?.[1] ?? '';
  expect(url).not.toBe('');
  const [login = '', ls = '', ssh = ''] = commandsOf(first);
  const pin = /--ca-pin=sha256:[0-9a-f]{64}/.exec(login)?.[0] ?? '';
  expect(login).toBe(`bin/gate login --proxy=localhost:3080 --user=admin ${pin}`);
  expect([ls, ssh]).toEqual(['bin/gate ls', `bin/gate ssh ${userInfo().username}@${hostname()}`]);
  expect(statSync(join(clone, '.cache/up')).mode & 0o077).toBe(0);

  // The page is there; a person without a browser takes the same link.
  expect((await run(first, `curl --silent --insecure --fail ${url}`)).output).toContain('<html');
  const signup = `bin/gate signup ${url} ${pin} --password-file=${PASSWORD}`;
  const { output: key } = await run(first, signup);
  expect(key).toContain('otpauth://');
  expect(await run(first, `${signup} --otp=${codeOf(key, -1)}`)).toMatchObject({ code: 0 });
  expect(await run(first, `${login} --password-file=${PASSWORD} --otp=${codeOf(key, 0)}`)).toMatchObject({
    code: 0,
  });
  expect((await run(first, ls)).output).toContain(hostname());
  expect(await run(first, `${ssh} echo hello`)).toEqual({ code: 0, output: 'hello\n' });

  interrupt(first, 'SIGINT');
  expect(await first.ended).toBe(0);

  const second = await up();
  expect(second.said).not.toContain('newuser');
  expect(second.said).toContain('users reset admin');
  expect((await run(second, `${ssh} echo again`)).output).toBe('again\n');
  // Another person on this machine who does not compare the pin.
  const stranger = `HOME=${clone}/stranger ${login.replace(pin, '--insecure')}`;
  mkdirSync(join(clone, 'stranger'));
  const late = await run(second, `${stranger} --password-file=${PASSWORD} --otp=${codeOf(key, 1)}`);
  expect(late).toMatchObject({ code: 0 });
  interrupt(second, 'SIGINT');
  expect(await second.ended).toBe(0);
  expect(existsSync(join(clone, '.cache/up/data'))).toBe(true);
});
