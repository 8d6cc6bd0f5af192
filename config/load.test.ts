import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Secret } from '#core/secret.ts';
import { loadConfig, readToken } from './load.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'gatehouse-config-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function file(name: string, content: string | Uint8Array, mode = 0o600): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  await chmod(path, mode);
  return path;
}

describe('loadConfig', () => {
  const paths = (): string[] => [join(dir, 'gatehouse.yaml'), join(dir, 'teleport.yaml')];

  it('ok: defaults without any file', async () => {
    const { config, path } = await loadConfig({ hostname: 'turing', paths: paths() });
    expect(path).toBeUndefined();
    expect(config.nodename).toBe('turing');
  });

  it('ok: the first path that exists, with a notice for the second', async () => {
    const second = await file('teleport.yaml', 'teleport: {nodename: b, data_dir: /b}');
    const fallback = await loadConfig({ hostname: 'turing', paths: paths() });
    expect(fallback.path).toBe(second);
    expect(fallback.notices[0]?.message).toContain('teleport.yaml is read, because there is no');
    await file('gatehouse.yaml', 'gatehouse: {nodename: a}');
    const first = await loadConfig({ hostname: 'turing', paths: paths() });
    expect(first.config.nodename).toBe('a');
    expect(first.notices).toEqual([]);
  });

  it('ok: the file that is named, and flags over it', async () => {
    const path = await file('other.yaml', 'gatehouse: {nodename: a}');
    const { config } = await loadConfig({ hostname: 'turing', path, flags: { nodename: 'b' } });
    expect(config.nodename).toBe('b');
  });

  it.each([
    ['is not there', 'missing.yaml', 'there is no such file'],
    ['is a folder', '', 'it is a folder'],
  ])('refuses: a named file that %s', async (_name, path, message) => {
    const error = loadConfig({ hostname: 'turing', path: join(dir, path) });
    await expect(error).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
      message: expect.stringContaining(message) as string,
    });
  });

  it('refuses: a path below a file, a file that is too large, and bytes that are not text', async () => {
    const large = await file('large.yaml', '#'.repeat(600 * 1024));
    await expect(loadConfig({ hostname: 'a', path: large })).rejects.toMatchObject({ code: 'TOO_LARGE' });
    const binary = await file('binary.yaml', Uint8Array.of(0xff, 0xfe, 0x00));
    await expect(loadConfig({ hostname: 'a', path: binary })).rejects.toThrow('is not UTF-8 text');
    await expect(loadConfig({ hostname: 'a', paths: [join(large, 'x')] })).resolves.toHaveProperty('config');
  });

  it('S22 a file that every user can write is refused', async () => {
    const path = await file('open.yaml', '', 0o666);
    await expect(loadConfig({ hostname: 'a', path })).rejects.toThrow(
      `can be written by every user; run: chmod o-w ${path}`,
    );
  });

  it('refuses: names the file and the line', async () => {
    await mkdir(join(dir, 'etc'));
    const path = await file('etc/gatehouse.yaml', 'gatehouse:\n  x: 1');
    await expect(loadConfig({ hostname: 'a', path })).rejects.toThrow(
      `${path} is not valid:\n  line 2: gatehouse.x is not a known field`,
    );
  });
});

describe('readToken', () => {
  it('ok: as given, or from its file without the line end', async () => {
    expect((await readToken({ type: 'value', value: new Secret('secret-token-value') })).reveal()).toBe(
      'secret-token-value',
    );
    const path = await file('token', 'secret-token-value\n');
    expect((await readToken({ type: 'file', path })).reveal()).toBe('secret-token-value');
  });

  it.each([
    ['is empty', '\n'],
    ['has more than a token', 'secret-token-value\nsecond-line\n'],
    ['is too long', 'x'.repeat(5000)],
  ])('S36 refuses: a file that %s, without repeating it', async (_name, content) => {
    const path = await file('token', content);
    const error = await readToken({ type: 'file', path }).catch((caught: unknown) => String(caught));
    expect(error).toContain(path);
    expect(error).not.toMatch(/secret-token|second-line|xxxx/);
  });
});
