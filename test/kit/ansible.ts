// Ansible from PyPI for tests: installed once under .cache, in the version that was tested. Needs python3 with venv.
import { execFileSync } from 'node:child_process';
import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const VERSION = '2.19.14';
const CACHE = join(import.meta.dirname, '../../.cache/ansible');

/** The folder with `ansible-playbook`; the first call on a machine takes half a minute. */
export function ansibleFolder(): string {
  const home = join(CACHE, VERSION);
  const bin = join(home, 'bin');
  if (existsSync(join(home, 'whole'))) return bin;
  rmSync(home, { recursive: true, force: true });
  execFileSync('python3', ['-m', 'venv', home], { stdio: 'pipe' });
  execFileSync(join(bin, 'pip'), ['install', '-q', `ansible-core==${VERSION}`], { stdio: 'pipe' });
  execFileSync('touch', [join(home, 'whole.new')]);
  renameSync(join(home, 'whole.new'), join(home, 'whole'));
  return bin;
}
