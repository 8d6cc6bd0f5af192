// Law: what a page or a message points at exists: links of Markdown pages, paths they name, and pages that code names.
import { posix } from 'node:path';
import { expect, test } from 'vitest';
import { type Law, lineAt, readTree, roomOf, type SourceFile } from './tree.ts';

const LINK = /\]\(([^)\s]+)\)/g;
const NAMED_PATH = /`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|md|yaml|sh|txt))`/g;
const PAGE_IN_CODE = /\bdocs\/[\w./-]+\.md\b/g;

type Pointer = readonly [index: number, path: string];

const law: Law = (files) => {
  const paths = new Set(files.map(({ path }) => path));
  const folders = new Set(files.flatMap(({ path }) => ancestors(path)));
  const exists = (path: string): boolean => paths.has(path) || folders.has(path.replace(/\/$/, ''));
  return files.flatMap((file) => {
    const pointers = file.path.endsWith('.md')
      ? [...links(file), ...namedPaths(file, exists)]
      : file.path.startsWith('test/rooms/')
        ? []
        : [...file.text.matchAll(PAGE_IN_CODE)].map((match): Pointer => [match.index, match[0]]);
    return pointers
      .filter(([, path]) => !exists(path))
      .map(
        ([index, path]) =>
          `${file.path}:${lineAt(file.text, index)}: points at ${path}, which does not exist`,
      );
  });
};

function links({ path, text }: SourceFile): Pointer[] {
  return [...text.matchAll(LINK)].flatMap((match): Pointer[] => {
    const link = (match[1] ?? '').split('#')[0] ?? '';
    if (link === '' || /^[a-z]+:/.test(link)) return [];
    return [[match.index, posix.join(posix.dirname(path), link)]];
  });
}

/** Paths in backquotes, seen from the page or from the root; those that begin with no folder of ours are examples. */
function namedPaths({ path, text }: SourceFile, exists: (path: string) => boolean): Pointer[] {
  return [...text.matchAll(NAMED_PATH)].flatMap((match): Pointer[] => {
    const named = match[1] ?? '';
    if (exists(posix.join(posix.dirname(path), named)) || !exists(roomOf(named))) return [];
    return [[match.index, named]];
  });
}

function ancestors(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'));
}

test('ok: pages and messages point at what exists', () => {
  expect(law(readTree())).toEqual([]);
});

const file = (path: string, text = ''): SourceFile => ({ path, text });
const code = file('core/clock.ts');

test.each([
  ['a link to nowhere', file('docs/a.md', '[b](b.md)')],
  ['a path that is gone', file('docs/a.md', 'see `core/watch.ts`')],
  [
    'a message that sends people to a page that is not there',
    file('core/a.ts', "'see docs/guide/backup.md'"),
  ],
])('refuses: %s', (_, bad) => {
  expect(law([code, bad])).toHaveLength(1);
});

test.each([
  [
    'links to pages, anchors and sites',
    file('docs/a.md', '[x](../core/clock.ts) [y](#part) [z](https://example.com/a.md)'),
  ],
  ['a folder', file('docs/a.md', '[x](../core/)')],
  ['a path beside the page', file('core/README.md', '`clock.ts` and `./clock.ts`')],
  ['a path of another product', file('docs/a.md', '`etc/gatehouse.yaml`')],
])('ok: %s', (_, good) => {
  expect(law([code, good])).toEqual([]);
});
