import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { encodeLogin, recordLogin, recordLogout, type LoginFiles } from './login-records.ts';

const RECORD = { line: 'pts/7', name: 'joe', host: '203.0.113.9', pid: 4711, now: 1_700_000_000_123 };
let folder: string;
let files: LoginFiles;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-utmp-'));
  files = { utmp: join(folder, 'utmp'), wtmp: join(folder, 'wtmp') };
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('ok: who(1) reads it', () => {
  writeFileSync(files.utmp, '');
  writeFileSync(files.wtmp, '');
  recordLogin(RECORD, files);
  const env = { PATH: '/usr/bin', LC_ALL: 'C', TZ: 'UTC' };
  expect(execFileSync('who', [files.utmp], { env }).toString()).toMatch(/^joe\s+pts\/7\s+.*203\.0\.113\.9/);
  recordLogout({ ...RECORD, now: RECORD.now + 60_000 }, files);
  expect(execFileSync('who', [files.utmp], { env }).toString()).toBe('');
  expect(readFileSync(files.wtmp)).toHaveLength(2 * readFileSync(files.utmp).length);
  expect(execFileSync('who', [files.wtmp], { env }).toString()).toMatch(/^joe\s+pts\/7/);
});

it('ok: the slot of a terminal is used again', () => {
  writeFileSync(files.utmp, '');
  for (let i = 0; i < 3; i++) {
    recordLogin({ ...RECORD, line: 'pts/1' }, files);
    recordLogin(RECORD, files);
    recordLogout(RECORD, files);
  }
  expect(readFileSync(files.utmp)).toHaveLength(2 * (encodeLogin(7, RECORD)?.length ?? 0));
});

it('S28 refuses: to follow a link, and makes no file', () => {
  const target = join(folder, 'target');
  writeFileSync(target, '');
  symlinkSync(target, files.utmp);
  recordLogin(RECORD, files);
  expect(readFileSync(target)).toHaveLength(0);
  expect(() => readFileSync(files.wtmp)).toThrow(/ENOENT/);
});

it('refuses: machines whose form is not known', () => {
  expect(encodeLogin(7, RECORD, 'x64')).toHaveLength(384);
  expect(encodeLogin(7, RECORD, 'arm64')).toHaveLength(400);
  expect(encodeLogin(7, RECORD, 's390x')).toBeUndefined();
});
