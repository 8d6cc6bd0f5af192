// A throw-away account of this machine, for tests and benchmarks that log in: an empty home without rc files, no password,
// and gone with all that it left. Never root, whose shells run whatever the machine's owner put in /root. Needs root.
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TestAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** An empty folder of its own, mode 0700. */
  readonly home: string;
  /** The account, its home and whatever it still runs: the next account may get its number. */
  remove(): void;
}

export interface TestAccountOptions {
  /** Default: /bin/sh, which reads nothing at its start. */
  readonly shell?: string;
  /** Supplementary groups; they must exist. */
  readonly groups?: readonly string[];
}

/** The caller removes it. */
export function makeAccount({ shell = '/bin/sh', groups = [] }: TestAccountOptions = {}): TestAccount {
  const name = `gh${randomBytes(5).toString('hex')}`;
  const home = mkdtempSync(join(tmpdir(), 'gatehouse-home-'));
  const remove = (): void => {
    for (const pid of programsOf(name)) kill(pid);
    // By force: where nobody collects orphans, one that ended still counts as a user of the account.
    execFileSync('userdel', ['--force', name], { stdio: 'ignore' });
    rmSync(home, { recursive: true, force: true });
  };
  const about = ['--no-create-home', '--home-dir', home, '--shell', shell, '--groups', groups.join(',')];
  execFileSync('useradd', [...about, '--password', '*', name], { stdio: ['ignore', 'ignore', 'pipe'] });
  const id = (flag: string): number => Number(execFileSync('id', [flag, name], { encoding: 'utf8' }).trim());
  const [uid, gid] = [id('-u'), id('-g')];
  chownSync(home, uid, gid);
  chmodSync(home, 0o700);
  return { name, uid, gid, home, remove };
}

/** The programs that run as the account, by process id; what has ended and waits to be collected is none. */
export function programsOf(account: string): readonly number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=,stat=', '-u', account], { encoding: 'utf8' });
  return stdout
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([pid, state]) => pid !== undefined && pid !== '' && !state?.startsWith('Z'))
    .map(([pid]) => Number(pid));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
