// The SSH benchmark in its smallest form, so that it cannot rot: every part runs and prints its line. Its numbers are not
// looked at. Needs what the benchmark needs.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const BENCH = fileURLToPath(new URL('../ssh.bench.ts', import.meta.url));

it('ok: the SSH benchmark runs through and measures every way', async () => {
  const words = ['--disable-warning=ExperimentalWarning', BENCH, '--smoke'];
  const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 300_000 });
  for (const part of [
    'true, default KEX',
    'true, curve25519',
    'out, AES-GCM',
    'out, default cipher',
    'in, AES-GCM',
    'terminal output',
    'connects at once',
    'key to echo',
    'idle sessions through the proxy',
    'auth, proxy and node in one process',
  ]) {
    expect(stdout).toContain(part);
  }
  for (const way of ['sshd, ssh -J bastion', 'node agent', 'ssh -J proxy', 'gate proxy ssh']) {
    expect(stdout.split(`  ${way} `).length - 1, way).toBeGreaterThanOrEqual(7);
  }
});
