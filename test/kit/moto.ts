// AWS on this machine: moto's server from PyPI, in the version that was tested, with boto3 and an aws CLI of version 1
// beside it. Installed once under .cache. It takes any signature; aws-front.ts stands before it and does not.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './until.ts';

const PACKAGES = ['moto[server]==5.2.0', 'boto3==1.44.5', 'awscli==1.46.2'];
const VERSION = '5.2.0-1.44.5';
const CACHE = join(import.meta.dirname, '../../.cache/moto');

/** Folder of programs: python, aws, moto_server. The first call on a machine takes a minute. */
export function motoPrograms(): string {
  const home = join(CACHE, VERSION);
  const bin = join(home, 'bin');
  if (existsSync(join(home, 'whole'))) return bin;
  rmSync(home, { recursive: true, force: true });
  execFileSync('python3', ['-m', 'venv', home], { stdio: 'pipe' });
  execFileSync(join(bin, 'pip'), ['install', '-q', ...PACKAGES], { stdio: 'pipe' });
  writeFileSync(join(home, 'whole.new'), '');
  renameSync(join(home, 'whole.new'), join(home, 'whole'));
  return bin;
}

export interface Moto {
  readonly port: number;
  close(): Promise<void>;
}

/** On a free port of loopback. The caller closes it. */
export async function startMoto(): Promise<Moto> {
  const child = spawn(join(motoPrograms(), 'moto_server'), ['-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(child, 'exit');
  let said = '';
  let port: number | undefined;
  child.stderr.on('data', (part: Buffer) => {
    if (port !== undefined) return;
    said = (said + part.toString()).slice(-4096);
    const [, found] = /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
    if (found !== undefined) port = Number(found);
  });
  return {
    port: await until('moto listens', () => port ?? failed(child.exitCode, said), 120_000),
    async close() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

function failed(exitCode: number | null, said: string): undefined {
  if (exitCode !== null) throw new Error(`moto ended with ${exitCode}: ${said}`);
}
