// Law: npm packages and the node modules that reach the machine have owners.
import { expect, test } from 'vitest';
import { importsOf, targetOf } from './imports.ts';
import { AROUND_THE_HOUSE } from './map.ts';
import { NODE_MODULES, type Owner, PACKAGES } from './owners.ts';
import { isTest, isTypeScript, type Law, readTree, roomOf, type SourceFile } from './tree.ts';
import manifest from '../../package.json' with { type: 'json' };

const law: Law = (files) =>
  files
    .filter((file) => isTypeScript(file.path) && roomOf(file.path) !== '')
    .flatMap((file) =>
      importsOf(file).flatMap(({ specifier, line }) => {
        const problem = problemOf(file.path, specifier);
        return problem === undefined ? [] : [`${file.path}:${line}: "${specifier}" - ${problem}`];
      }),
    );

function problemOf(from: string, specifier: string): string | undefined {
  const target = targetOf(from, specifier);
  if (target.to === 'node') return ownerProblem(from, NODE_MODULES[target.module.split('/')[0] ?? '']);
  if (target.to !== 'package') return undefined;
  const owner = PACKAGES[target.name];
  if (owner === undefined)
    return 'this package has no owner: name one in test/rooms/owners.ts, or do without';
  return ownerProblem(from, owner);
}

function ownerProblem(from: string, owner: Owner | undefined): string | undefined {
  if (owner === undefined || AROUND_THE_HOUSE.includes(roomOf(from))) return undefined;
  if (owner.tests === true && isTest(from)) return undefined;
  if (owner.from.some((prefix) => from.startsWith(prefix))) return undefined;
  const who = [...owner.from, ...(owner.tests === true ? ['tests'] : [])];
  return `only ${who.length === 0 ? 'nobody' : who.join(', ')} may import it: ${owner.why}`;
}

test('ok: packages and node modules are imported by their owners only', () => {
  expect(law(readTree())).toEqual([]);
});

const file = (path: string, text: string): SourceFile => ({ path, text });

test.each([
  ['a package without an owner', 'core/a.ts', "import x from 'left-pad';"],
  ['fastify in a command', 'cli/a.ts', "import { fastify } from 'fastify';"],
  ['a type of a package counts as well', 'cli/a.ts', "import type { FastifyInstance } from 'fastify';"],
  ['a test package in the product', 'core/a.ts', "import { test } from 'vitest';"],
  ['sqlite outside its folder', 'auth/a.ts', "import { DatabaseSync } from 'node:sqlite';"],
  ['starting programs in auth', 'auth/a.ts', "import { spawn } from 'node:child_process';"],
  ['text run as code', 'cli/a.ts', "import vm from 'node:vm';"],
])('refuses: %s', (_, path, text) => {
  expect(law([file(path, text)])).toHaveLength(1);
});

test.each([
  ['the owner', 'storage/sqlite/a.ts', "import { DatabaseSync } from 'node:sqlite';"],
  ['a test of another room', 'auth/a.test.ts', "import { spawn } from 'node:child_process';"],
  ['a conformance suite', 'storage/conformance/a.ts', "import { test } from 'vitest';"],
])('ok: %s', (_, path, text) => {
  expect(law([file(path, text)])).toEqual([]);
});

const TOOLS = ['node', 'oxfmt', 'oxlint', 'typescript', '@types/node', '@types/node-forge', '@types/pg'];

test('ok: package.json names exact versions, and every package has an owner or is a tool', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version));
  expect(loose, 'versions are exact: no ^, ~, tags or addresses').toEqual([]);
  expect(Object.keys(all).sort()).toEqual([...Object.keys(PACKAGES), ...TOOLS].sort());
});

test('ok: what the product imports is a dependency, what only tests import is not', () => {
  const forTests = Object.entries(PACKAGES).filter(([, owner]) => owner.from.length === 0);
  expect(forTests.map(([name]) => name).filter((name) => name in manifest.dependencies)).toEqual([]);
  const forAll = Object.entries(PACKAGES).filter(([, owner]) => owner.from.length > 0);
  expect(forAll.map(([name]) => name).filter((name) => !(name in manifest.dependencies))).toEqual([]);
});
