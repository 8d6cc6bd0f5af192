import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempFolder } from '#test/kit/temp.ts';
import {
  readPrivateFile,
  readSecretFile,
  requireOwnFolder,
  requirePrivateFolder,
  writePrivateFile,
} from './private-files.ts';

const folder = tempFolder();
const path = (name: string): string => join(folder, name);
const ME = process.getuid?.();
const SOMEBODY_ELSE = 4242;

function file(name: string, mode = 0o600): string {
  writeFileSync(path(name), 'secret');
  chmodSync(path(name), mode);
  return path(name);
}

describe('writing', () => {
  test('ok: mode 0600 whatever the umask, and no draft is left', async () => {
    const before = process.umask(0);
    try {
      await writePrivateFile(path('new'), 'text', { overwrite: false });
    } finally {
      process.umask(before);
    }
    expect(statSync(path('new')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.endsWith('.draft'))).toEqual([]);
  });

  test('refuses: to overwrite; the file and its mode stay', async () => {
    const target = file('kept', 0o640);
    await expect(writePrivateFile(target, 'other', { overwrite: false })).rejects.toThrow('exists');
    expect([readFileSync(target, 'utf8'), statSync(target).mode & 0o777]).toEqual(['secret', 0o640]);
  });

  test('S28 a link in the way is replaced, never followed', async () => {
    const target = file('outside');
    symlinkSync(target, path('link'));
    await writePrivateFile(path('link'), 'new', { overwrite: true });
    expect([readFileSync(target, 'utf8'), readFileSync(path('link'), 'utf8')]).toEqual(['secret', 'new']);
    symlinkSync(path('nowhere'), path('dangling'));
    await expect(writePrivateFile(path('dangling'), 'x', { overwrite: false })).rejects.toThrow('exists');
  });

  test('ok: other names of an overwritten file keep the old text', async () => {
    const target = file('first');
    linkSync(target, path('second'));
    await writePrivateFile(target, 'new', { overwrite: true });
    expect(readFileSync(path('second'), 'utf8')).toBe('secret');
  });
});

describe('S22 reading keys', () => {
  test('ok: a file of mine, for me alone', async () => {
    expect(await readPrivateFile(file('mine'), ME)).toBe('secret');
    expect(await readPrivateFile(path('missing'), ME)).toBeUndefined();
  });

  test.each([0o604, 0o640, 0o660, 0o606])('refuses: mode %o', async (mode) => {
    await expect(readPrivateFile(file(`open-${mode}`, mode), ME)).rejects.toThrow('is open to other users');
  });

  test('refuses: a link, a folder, a pipe that would wait for ever', async () => {
    symlinkSync(file('real'), path('a-link'));
    await expect(readPrivateFile(path('a-link'), ME)).rejects.toThrow('is a link');
    mkdirSync(path('a-folder'));
    await expect(readPrivateFile(path('a-folder'), ME)).rejects.toThrow('is not a file');
    await expect(readPrivateFile('/dev/null', ME, { named: true })).rejects.toThrow('is not a file');
  });

  test('refuses: a file of somebody else, unless it was named', async () => {
    const target = file('theirs');
    if (ME === 0) chownSync(target, 4243, 4243);
    await expect(readPrivateFile(target, SOMEBODY_ELSE)).rejects.toThrow('belongs to another user');
    expect(await readPrivateFile(target, SOMEBODY_ELSE, { named: true })).toBe('secret');
  });
});

describe('S22 folders of keys', () => {
  test('ok: is made with mode 0700, and found again', async () => {
    await requirePrivateFolder(path('made'), ME);
    await requirePrivateFolder(path('made'), ME);
    expect(statSync(path('made')).mode & 0o777).toBe(0o700);
  });

  test.each([0o770, 0o707, 0o777])('refuses: mode %o', async (mode) => {
    const target = path(`folder-${mode}`);
    mkdirSync(target);
    chmodSync(target, mode);
    await expect(requireOwnFolder(target, ME)).rejects.toThrow('can be written by other users');
  });

  test('refuses: a link to a folder, a file', async () => {
    mkdirSync(path('target'));
    symlinkSync(path('target'), path('folder-link'));
    await expect(requirePrivateFolder(path('folder-link'), ME)).rejects.toThrow('is not a folder');
    await expect(requirePrivateFolder(file('no-folder'), ME)).rejects.toThrow('is not a folder');
  });
});

test('S33 refuses: a secret file without end', async () => {
  await expect(readSecretFile('/dev/zero')).rejects.toMatchObject({ code: 'TOO_LARGE' });
});
