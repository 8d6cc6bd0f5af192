import { describe, expect, it } from 'vitest';
import { ScpWatch, type CopiedFile } from './scp-watch.ts';

function watch(action: 'read' | 'write', path: string, isFolder = false) {
  const files: CopiedFile[] = [];
  const watcher = new ScpWatch(
    { action, path },
    (file) => files.push(file),
    () => isFolder,
  );
  return { files, watcher };
}
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('files that come', () => {
  it('ok: one file under the name of the command', () => {
    const { files, watcher } = watch('write', '/tmp/new.txt');
    watcher.input(bytes('C0644 5 old.txt\nhello\0'));
    expect(files).toEqual([{ action: 'write', path: '/tmp/new.txt', len: 5, success: true }]);
  });
  it.each([
    ['/srv', true, '/srv/a.txt'],
    ['/srv/', false, '/srv/a.txt'],
  ])('ok: into the folder %s', (path, isFolder, expected) => {
    const { files, watcher } = watch('write', path, isFolder);
    watcher.input(bytes('T1 0 1 0\nC0644 0 a.txt\n\0'));
    expect(files[0]?.path).toBe(expected);
  });
  it('ok: folders in folders, in any pieces', () => {
    const stream = 'D0755 0 d\nC0644 3 a\nabc\0D0755 0 e\nC0600 1 b\nx\0E\nE\nC0644 0 c\n\0';
    for (const size of [1, 2, 3, 7, 100]) {
      const { files, watcher } = watch('write', '/srv', true);
      for (let at = 0; at < stream.length; at += size) watcher.input(bytes(stream.slice(at, at + size)));
      expect(files.map(({ path, len }) => [path, len])).toEqual([
        ['/srv/d/a', 3],
        ['/srv/d/e/b', 1],
        ['/srv/c', 0],
      ]);
    }
  });
  it('ok: contents that look like lines are contents', () => {
    const { files, watcher } = watch('write', '/x');
    watcher.input(bytes('C0644 16 a\nC0644 9 b\nE\nE\nxx\0'));
    expect(files).toHaveLength(1);
  });
});

describe('files that go', () => {
  it('ok: named by what the server sends', () => {
    const { files, watcher } = watch('read', 'logs/*.log');
    watcher.input(bytes('\0\0\0'));
    watcher.output(bytes('C0644 2 a.log\nxx\0C0644 1 b.log\ny\0'));
    expect(files.map(({ path }) => path)).toEqual(['logs/a.log', 'logs/b.log']);
  });
});

describe('trouble', () => {
  it('ok: a copy that was cut is told as one that failed', () => {
    const { files, watcher } = watch('write', '/x');
    watcher.input(bytes('C0644 10 a\n1234'));
    watcher.end();
    expect(files).toEqual([{ action: 'write', path: '/x', len: 4, success: false }]);
  });
  it('ok: so is one that the sender gives up', () => {
    const { files, watcher } = watch('read', '/x');
    watcher.output(bytes('C0644 2 a\nxx\u0001scp: a: read error\nC0644 1 b\ny\0'));
    expect(files.map(({ success }) => success)).toEqual([false, true]);
  });
  it.each([
    ['another protocol', 'GET / HTTP/1.1\n'],
    ['a name that leaves its folder', 'C0644 1 ../../etc/passwd\nx\0'],
    ['a size that is none', 'C0644 -5 a\n'],
    ['a line without end', 'C'.repeat(20_000)],
    ['folders without end', 'D0755 0 d\n'.repeat(1000)],
  ])('S33 refuses: %s ends the watching', (_, stream) => {
    const { files, watcher } = watch('write', '/x');
    watcher.input(bytes(stream));
    watcher.input(bytes('C0644 1 a\nx\0'));
    expect(files).toEqual([]);
  });
});
