// A cluster whose disk fills up while it runs; see README.md beside this file.
import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { inShell, tryInShell } from '../gatectl/shell.ts';

const place = mkdtempSync(join(tmpdir(), 'gatehouse-full-'));
const isMounted = mountSmallDisk();
let daemon: TestDaemon | undefined;
afterAll(async () => {
  await daemon?.stop();
  if (isMounted) execFileSync('umount', [place]);
  rmSync(place, { recursive: true, force: true });
});

function mountSmallDisk(): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'tmpfs', place], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A file that takes all that is left. */
function fillDisk(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 65_536; size >= 1;) {
      try {
        writeSync(file, Buffer.alloc(size));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        size = Math.floor(size / 2);
      }
    }
  } finally {
    closeSync(file);
  }
}

const roleFile = (name: string, padding: number): string => `cat <<EOF > ${name}.yaml
kind: role
metadata: {name: ${name}, description: "${'x'.repeat(padding)}"}
spec: {allow: {logins: [root]}}
EOF
gatectl create ${name}.yaml`;

test('ok: a full disk refuses writes, loses nothing, and is forgotten once there is room', async (context) => {
  if (!isMounted) context.skip('no right to mount a small disk');
  daemon = startDaemon({ folder: place });
  await daemon.ready();
  const env = { GATEHOUSE_CONFIG_FILE: daemon.configPath };
  const work = mkdtempSync(join(tmpdir(), 'gatehouse-full-work-'));
  try {
    await inShell(`cd ${work}\n${roleFile('before', 10)}`, env);
    fillDisk(join(place, 'filler'));
    const written: string[] = [];
    let refused: Awaited<ReturnType<typeof tryInShell>> | undefined;
    // What the store has taken from the disk already may still hold a few.
    for (let index = 0; refused === undefined && index < 200; index++) {
      const name = `during-${index}`;
      const ran = await tryInShell(`cd ${work}\n${roleFile(name, 4000)}`, env);
      if (ran.code === 0) written.push(name);
      else refused = ran;
    }
    expect(refused?.code).toBe(1);
    expect(refused?.stderr).toMatch(/^ERROR: .*(disk|full|space)/i);
    expect((await inShell('gatectl get role/before', env)).stdout).toContain('name: before');

    rmSync(join(place, 'filler'));
    await inShell(`cd ${work}\n${roleFile('after', 4000)}`, env);
    const names = (
      await inShell(`gatectl get roles --format=json | jq -r '.[].metadata.name'`, env)
    ).stdout.split('\n');
    expect(names).toEqual(expect.arrayContaining(['before', 'after', ...written]));
    expect(names.filter((name) => name.startsWith('during-'))).toHaveLength(written.length);
    expect((await inShell('gatectl audit verify', env)).stdout).toContain('The audit log is whole');

    await daemon.stop();
    daemon = startDaemon({ folder: place });
    await daemon.ready();
    const again = await inShell(
      `gatectl get roles --format=json | jq -r '.[].metadata.name'; gatectl audit verify`,
      env,
    );
    expect(again.stdout).toContain('after\n');
    expect(again.stdout).toContain('The audit log is whole');
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
});
