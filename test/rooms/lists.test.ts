// Law: a folder is a member. Each room that is a list of like things names every one of its folders in all.ts, so that
// adding one is a folder and a line, and a forgotten line is a failure here instead of a feature that is never reached.
import { expect, test } from 'vitest';
import { importsOf, targetOf } from './imports.ts';
import { readTree, type SourceFile } from './tree.ts';

/** Folders that are no members, with what they are instead. */
const LISTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  kinds: {},
  storage: { conformance: 'the suite all backends pass', wrap: 'wrappers around any backend' },
  events: { conformance: 'the suite all sinks pass' },
  join: { conformance: 'the suite all methods pass' },
};

/** What the folder of every member holds. */
const MEMBER_FILES: Readonly<Record<string, readonly string[]>> = {
  kinds: ['kind.ts', 'kind.test.ts', 'example.yaml', 'README.md'],
};

function listProblems(files: readonly SourceFile[], room: string, besides: readonly string[]): string[] {
  const list = files.find((file) => file.path === `${room}/all.ts`);
  if (list === undefined) return [`${room}/all.ts is missing: it is the list of what the room holds`];
  const folders = new Set(
    files
      .filter(({ path }) => path.startsWith(`${room}/`) && path.split('/').length > 2)
      .map(({ path }) => path.split('/')[1] ?? ''),
  );
  const named = new Set(
    importsOf(list).flatMap(({ specifier }) => {
      const target = targetOf(list.path, specifier);
      return target.to === 'file' && target.room === room && target.path.split('/').length > 2
        ? [target.path.split('/')[1] ?? '']
        : [];
    }),
  );
  return [
    ...[...folders]
      .filter((folder) => !named.has(folder) && !besides.includes(folder))
      .map(
        (folder) => `${room}/${folder} is not named in ${room}/all.ts: add its line, or remove the folder`,
      ),
    ...[...named]
      .filter((folder) => !folders.has(folder))
      .map((folder) => `${room}/all.ts names ${room}/${folder}, which does not exist`),
    ...[...folders]
      .filter((folder) => !besides.includes(folder))
      .flatMap((folder) =>
        (MEMBER_FILES[room] ?? [])
          .filter((name) => !files.some(({ path }) => path === `${room}/${folder}/${name}`))
          .map((name) => `${room}/${folder}/${name} is missing: every folder of ${room} has one`),
      ),
  ];
}

const tree = readTree();

test.each(Object.entries(LISTS))('ok: the folders of %s are those of its all.ts', (room, besides) => {
  expect(listProblems(tree, room, Object.keys(besides))).toEqual([]);
});

const file = (path: string, text = ''): SourceFile => ({ path, text });
const memory = file('storage/memory/open.ts');

test.each([
  ['a list that is not there', [memory]],
  ['a folder that is not named', [memory, file('storage/all.ts')]],
  ['a name without a folder', [file('storage/all.ts', "import { x } from './memory/open.ts';")]],
])('refuses: %s', (_, files) => {
  expect(listProblems(files, 'storage', [])).toHaveLength(1);
});

test('refuses: a kind without its example', () => {
  const files = [
    file('kinds/all.ts', "import { x } from './role/kind.ts';"),
    ...['kind.ts', 'kind.test.ts', 'README.md'].map((name) => file(`kinds/role/${name}`)),
  ];
  expect(listProblems(files, 'kinds', [])).toEqual([
    'kinds/role/example.yaml is missing: every folder of kinds has one',
  ]);
});

test('ok: a named folder, and one that is no member', () => {
  const list = file('storage/all.ts', "import { x } from './memory/open.ts';");
  expect(listProblems([list, memory, file('storage/wrap/retry.ts')], 'storage', ['wrap'])).toEqual([]);
});
