// psycopg from PyPI for tests: installed once under .cache, in the version that was tested, with its own libpq. Needs python3
// with venv.
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = '3.2.3';
const CACHE = join(import.meta.dirname, '../../.cache/psycopg');

/** A python that has it; the first call on a machine takes some seconds. */
export function psycopgPython(): string {
  const home = join(CACHE, VERSION);
  const bin = join(home, 'bin');
  if (existsSync(join(home, 'whole'))) return join(bin, 'python');
  rmSync(home, { recursive: true, force: true });
  execFileSync('python3', ['-m', 'venv', home], { stdio: 'pipe' });
  execFileSync(join(bin, 'pip'), ['install', '-q', `psycopg[binary]==${VERSION}`], { stdio: 'pipe' });
  execFileSync('touch', [join(home, 'whole.new')]);
  renameSync(join(home, 'whole.new'), join(home, 'whole'));
  return join(bin, 'python');
}
