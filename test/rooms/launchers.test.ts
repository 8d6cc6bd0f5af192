// The launchers in bin/ are the first thing a user runs: they work from any folder, through symlinks, hand over
// arguments, exit codes and signals, and trust no compile cache that others can write.
import { execFileSync, spawn, spawnSync, type SpawnSyncReturns } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT } from './tree.ts';

const PROGRAM = `
// prints what it was given, ends as it is told
const [first, ...rest] = process.argv.slice(2) as string[];
const { execArgv } = process;
console.log(JSON.stringify({ first, rest, execArgv, cwd: process.cwd(), cache: process.env['NODE_COMPILE_CACHE'] ?? null }));
if (first === 'wait') process.stdin.resume();
else process.exit(Number(first) || 0);
`;

let home: string;
let install: string;

beforeAll(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'gatehouse-launchers-')));
  install = join(home, 'opt', 'gatehouse');
  for (const name of ['gatectl', 'gatehouse'])
    mkdirSync(join(install, 'cli', 'commands', name), { recursive: true });
  cpSync(join(ROOT, 'bin'), join(install, 'bin'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(install, 'node_modules'));
  writeFileSync(join(install, 'package.json'), '{"type":"module"}');
  for (const name of ['gatectl', 'gatehouse'])
    writeFileSync(join(install, 'cli', 'commands', name, 'main.ts'), PROGRAM);
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Seen {
  readonly first: string;
  readonly rest: readonly string[];
  readonly execArgv: readonly string[];
  readonly cwd: string;
  readonly cache: string | null;
}

function run(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
  cwd = home,
): SpawnSyncReturns<string> {
  return spawnSync(command, args, {
    cwd,
    env: { PATH: '/usr/bin:/bin', HOME: home, ...env },
    encoding: 'utf8',
  });
}

const seen = (result: SpawnSyncReturns<string>): Seen => JSON.parse(result.stdout) as Seen;

test('ok: there is a launcher for each of the three programs, and their shared half', () => {
  expect(readdirSync(join(ROOT, 'bin')).sort()).toEqual(['gate', 'gatectl', 'gatehouse', 'launch.sh']);
});

test('ok: arguments, working directory and exit code pass through', () => {
  const result = run(join(install, 'bin', 'gatectl'), ['3', 'a b', '', '$x'], {}, tmpdir());
  expect(seen(result)).toMatchObject({ first: '3', rest: ['a b', '', '$x'], cwd: realpathSync(tmpdir()) });
  expect(result.status).toBe(3);
});

test('ok: the operator alone runs with little room for young objects', () => {
  const flagsOf = (program: string, word: string): readonly string[] =>
    seen(run(join(install, 'bin', program), [word])).execArgv;
  expect(flagsOf('gatehouse', 'operator')).toContain('--max-semi-space-size=2');
  expect(flagsOf('gatehouse', 'start')).toEqual(['--disable-warning=ExperimentalWarning']);
  expect(flagsOf('gatectl', 'operator')).toEqual(['--disable-warning=ExperimentalWarning']);
});

test('ok: a launcher is found through relative and absolute symlinks, and through PATH', () => {
  mkdirSync(join(home, 'bin'));
  symlinkSync('../opt/gatehouse/bin/gatectl', join(home, 'bin', 'one'));
  symlinkSync('one', join(home, 'bin', 'two'));
  symlinkSync(join(home, 'bin'), join(home, 'linked'));
  for (const path of ['bin/one', 'bin/two', 'linked/two'])
    expect(run(join(home, path), ['4']).status).toBe(4);
  expect(run('two', ['5'], { PATH: `${join(home, 'bin')}:/usr/bin:/bin` }).status).toBe(5);
  expect(run('sh', ['gatectl', '6'], {}, join(install, 'bin')).status).toBe(6);
});

test('ok: the launcher becomes node, so that signals reach it', async () => {
  const child = spawn(join(install, 'bin', 'gatectl'), ['wait'], {
    env: { PATH: '/usr/bin:/bin', HOME: home },
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
  child.kill('SIGTERM');
  expect(await ended).toBe('SIGTERM');
});

test('refuses: an install without node_modules, and says what to do', () => {
  const bare = join(home, 'bare');
  cpSync(join(ROOT, 'bin'), join(bare, 'bin'), { recursive: true });
  const result = run(join(bare, 'bin', 'gatectl'), []);
  expect(result.status).toBe(69);
  expect(result.stderr).toContain('make setup');
});

test('ok: compiled code is kept in a folder of mode 0700 that the launcher makes', () => {
  const cache = join(home, '.cache', 'gatehouse');
  expect(seen(run(join(install, 'bin', 'gatectl'), ['0'])).cache).toBe(cache);
  expect(execFileSync('ls', ['-ld', cache], { encoding: 'utf8' })).toMatch(/^drwx------/);
});

test('refuses: S22 a compile cache that others could have written', () => {
  const open = join(home, 'open');
  mkdirSync(join(open, 'gatehouse'), { recursive: true });
  const cacheIn = (folder: string, own: number, parent: number): string | null => {
    chmodSync(join(open, 'gatehouse'), own);
    chmodSync(open, parent);
    return seen(run(join(install, 'bin', 'gatectl'), ['0'], { XDG_CACHE_HOME: folder })).cache;
  };
  expect(cacheIn(open, 0o700, 0o755)).toBe(join(open, 'gatehouse'));
  expect(cacheIn(open, 0o770, 0o755)).toBeNull();
  expect(cacheIn(open, 0o755, 0o755)).toBeNull();
  expect(cacheIn(open, 0o700, 0o777)).toBeNull();
  expect(cacheIn(open, 0o700, 0o775)).toBeNull();
  symlinkSync(open, join(home, 'alias'));
  expect(cacheIn(join(home, 'alias'), 0o700, 0o755)).toBeNull();
  expect(cacheIn('relative', 0o700, 0o755)).toBeNull();
});

test('ok: without a home there is no cache, and everything works', () => {
  const result = spawnSync(join(install, 'bin', 'gatectl'), ['0'], {
    env: { PATH: '/usr/bin:/bin' },
    encoding: 'utf8',
  });
  expect(seen(result).cache).toBeNull();
});
