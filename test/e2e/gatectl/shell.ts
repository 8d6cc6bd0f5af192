// A POSIX shell in which the programs of bin/ are found, as on a machine where Gatehouse is installed.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Ran } from '#test/kit/daemon.ts';

export const BIN = fileURLToPath(new URL('../../../bin', import.meta.url));

/** Runs a script to its end; fails with what it wrote when its exit code is not 0. */
export async function inShell(script: string, env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const ran = await tryInShell(`set -e\n${script}`, env);
  if (ran.code !== 0) throw new Error(`exit code ${ran.code} of:\n${script}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

export async function tryInShell(
  script: string,
  env: Readonly<Record<string, string>> = {},
  user?: { readonly uid: number; readonly gid: number },
): Promise<Ran> {
  const child = spawn('/bin/sh', ['-c', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: `${BIN}:${process.env['PATH'] ?? ''}`, HOME: '/nonexistent', ...env },
    ...user,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}
