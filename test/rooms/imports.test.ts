// Law: rooms import only what the map allows, by `#room/…` across rooms and relatively inside one.
import { expect, test } from 'vitest';
import { importsOf, targetOf, type Target } from './imports.ts';
import { AROUND_THE_HOUSE, GUARDED, PURE_NODE_MODULES, ROOMS } from './map.ts';
import { isTest, isTypeScript, type Law, readTree, roomOf, type SourceFile } from './tree.ts';

type FileTarget = Extract<Target, { to: 'file' }>;

const tree = readTree().filter((file) => isTypeScript(file.path));
const law: Law = (files) =>
  files.filter((file) => isTypeScript(file.path)).flatMap((file) => violations(file));

function violations(file: SourceFile): string[] {
  return importsOf(file).flatMap(({ specifier, line }) => {
    const target = targetOf(file.path, specifier);
    const problem =
      target.to === 'unknown'
        ? AROUND_THE_HOUSE.includes(roomOf(file.path))
          ? undefined
          : 'only literal imports: require() and import(expression) lead nobody knows where'
        : target.to === 'file'
          ? (shapeProblem(file.path, specifier, target) ??
            guardProblem(file.path, target) ??
            roomProblem(file.path, target))
          : target.to === 'node'
            ? purityProblem(file.path, target.module)
            : undefined;
    return problem === undefined ? [] : [`${file.path}:${line}: "${specifier}" - ${problem}`];
  });
}

function shapeProblem(from: string, specifier: string, target: FileTarget): string | undefined {
  if (!/\.(ts|json)$/.test(specifier)) return 'imports name the file, with its ending .ts';
  if (target.path.startsWith('..')) return 'it leaves the repository';
  if (target.path === 'package.json') return undefined;
  if (target.relative && target.room !== roomOf(from)) return `other rooms are imported as #${target.path}`;
  if (!target.relative && target.room === roomOf(from) && !isTest(from))
    return 'inside a room imports are relative';
  return undefined;
}

function guardProblem(from: string, target: FileTarget): string | undefined {
  if (isTest(from)) return undefined;
  const guard = GUARDED.find(({ files }) => files.includes(target.path));
  return guard === undefined || guard.from.some((prefix) => from.startsWith(prefix)) ? undefined : guard.why;
}

function roomProblem(from: string, target: FileTarget): string | undefined {
  const room = roomOf(from);
  if (target.room === room || AROUND_THE_HOUSE.includes(room) || target.path === 'package.json')
    return undefined;
  const rules = ROOMS[room];
  if (rules === undefined) return room === '' ? undefined : `"${room}" is not on the map (test/rooms/map.ts)`;
  const allowed = [...rules.imports, ...(isTest(from) ? ['test/kit/', ...(rules.testsAlso ?? [])] : [])];
  const fits = allowed.some((entry) =>
    entry.includes('/')
      ? target.path === entry || (entry.endsWith('/') && target.path.startsWith(entry))
      : entry === target.room,
  );
  if (fits) return undefined;
  return `${room} may import ${allowed.length === 0 ? 'no other room' : allowed.join(', ')}: ${rules.why}`;
}

function purityProblem(from: string, module: string): string | undefined {
  if (roomOf(from) !== 'core' || isTest(from) || PURE_NODE_MODULES.includes(module)) return undefined;
  return `core is pure and takes only ${PURE_NODE_MODULES.join(', ')} of node`;
}

test('ok: every import of the house is on the map', () => {
  expect(law(tree)).toEqual([]);
});

const file = (path: string, text: string): SourceFile => ({ path, text });

test.each([
  ['core may not import storage', 'core/a.ts', "import { x } from '#storage/backend.ts';"],
  ['types count as well', 'core/a.ts', "import type { x } from '#storage/backend.ts';"],
  ['a re-export counts as well', 'core/a.ts', "export { x } from '#storage/backend.ts';"],
  ['an import over several lines', 'core/a.ts', "import {\n  x,\n  y,\n} from '#storage/backend.ts';"],
  ['a lazy import counts as well', 'core/a.ts', "const x = await import('#storage/backend.ts');"],
  ['a type query counts as well', 'core/a.ts', "type X = typeof import('#storage/backend.ts');"],
  ['a relative import that leaves its room', 'core/a.ts', "import { x } from '../storage/backend.ts';"],
  ['a long way round inside one room', 'core/a.ts', "import { x } from '#core/b.ts';"],
  ['an import that leaves the repository', 'core/a.ts', "import { x } from '../../x.ts';"],
  ['an import without its ending', 'core/a.ts', "import { x } from './b';"],
  ['a test kit in the product', 'core/a.ts', "import { x } from '#test/kit/clock.ts';"],
  ['the rest of test/ in a test', 'core/a.test.ts', "import { x } from '#test/rooms/tree.ts';"],
  ['core may not read files', 'core/a.ts', "import { readFileSync } from 'node:fs';"],
  ['a process may not import another', 'agent/a.ts', "import { x } from '#auth/main.ts';"],
  ['the daemon opens services by main.ts only', 'daemon/a.ts', "import { x } from '#auth/server.ts';"],
  ['only auth/authority signs', 'auth/issue/a.ts', "import { x } from '#core/certs/ssh/issue.ts';"],
  ['a room that is not on the map', 'spare/a.ts', "import { x } from '#core/clock.ts';"],
  ['an import nobody can follow', 'cli/a.ts', 'await import(name);'],
  ['require', 'cli/a.ts', "const x = require('fs');"],
])('refuses: %s', (_, path, text) => {
  expect(law([file(path, text)])).toHaveLength(1);
});

test.each([
  ['a room on its list', 'auth/a.ts', "import { x } from '#storage/backend.ts';"],
  ['its own files', 'auth/issue/a.ts', "import { x } from '../authority/b.ts';"],
  ['auth/authority signs', 'auth/authority/a.ts', "import { x } from '#core/certs/ssh/issue.ts';"],
  ['a test uses the kit', 'core/a.test.ts', "import { x } from '#test/kit/clock.ts';"],
  [
    'an import that only stands in a comment',
    'core/a.ts',
    "// import(name) is refused\n * import('#storage/a.ts')",
  ],
])('ok: %s', (_, path, text) => {
  expect(law([file(path, text)])).toEqual([]);
});

test('ok: the scan sees as many imports as there are', () => {
  const text = [
    "import a from 'a';",
    "import type { B } from '#core/b.ts';",
    "import { c, type D } from './c.ts';",
    "import * as e from 'node:fs';",
    "export * from './f.ts';",
    "import './g.ts';",
    "const text = 'import { x } from nowhere';",
    "const later = () => import('./h.ts');",
  ].join('\n');
  expect(importsOf(file('core/a.ts', text)).map((found) => found.specifier)).toEqual([
    'a',
    '#core/b.ts',
    './c.ts',
    'node:fs',
    './f.ts',
    './g.ts',
    './h.ts',
  ]);
});

test('ok: every room on the map exists and has a #room alias', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  const aliases = Object.keys(manifest.imports).map((alias) => alias.slice(1, -2));
  expect([...Object.keys(ROOMS), ...AROUND_THE_HOUSE].sort()).toEqual(aliases.sort());
  const existing = new Set(tree.map((found) => roomOf(found.path)));
  expect(
    Object.keys(ROOMS).filter((room) => !existing.has(room)),
    'rooms without a single file',
  ).toEqual([]);
});
