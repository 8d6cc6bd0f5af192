// What goes into the image: all that production code asks for, and nothing that only developers do.
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { run } from '#test/kit/kube-programs.ts';
import { tempFolder } from '#test/kit/temp.ts';
import manifest from '../../package.json' with { type: 'json' };
import { packageFolders } from './assemble.ts';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const folder = tempFolder();
const app = join(folder, 'app/opt/gatehouse');
const packages = join(folder, 'packages/opt/gatehouse/node_modules');

beforeAll(async () => {
  await run(process.execPath, [join(HERE, 'assemble.ts'), folder, '9.8.7']);
});

const sources = (): string[] => globSync('**/*.ts', { cwd: app });
const isThere = (name: string): boolean => globSync(`${name}/package.json`, { cwd: packages }).length === 1;

test('ok: every package that the code imports is there, but the one that is only asked for outside a cluster', () => {
  const imported = sources().flatMap((path) => {
    const text = readFileSync(join(app, path), 'utf8');
    return [...text.matchAll(/^(?:import|export) [^;]*? from '((?:@[^/']+\/)?[^./#'][^/']*)[^']*';$/gm)]
      .filter(([line]) => !line.startsWith('import type'))
      .map((match) => match[1] ?? '');
  });
  const names = [...new Set(imported)].filter((name) => !name.startsWith('node:'));
  expect(names).toContain('fastify');
  expect(names.filter((name) => !isThere(name))).toEqual([]);
});

test('refuses: tests, pages, types, maps, and packages of developers', () => {
  expect(
    sources().filter((path) => /\.(test|fuzz|child)\.ts$|^(test|hack)\/|\/conformance\//.test(path)),
  ).toEqual([]);
  expect(globSync('**/*.md', { cwd: folder })).toEqual([]);
  expect(globSync('**/*.{d.ts,d.mts,d.cts,map}', { cwd: packages })).toEqual([]);
  for (const name of ['@kubernetes/client-node', 'vitest', 'typescript'])
    expect(isThere(name), name).toBe(false);
});

test('ok: it says the version that it was given, and names nothing of developers', () => {
  const written = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8')) as typeof manifest;
  expect(written).toMatchObject({ version: '9.8.7', imports: manifest.imports });
  expect(written).not.toHaveProperty('devDependencies');
});

test('ok: a package brings what it needs, from where Node would take it', () => {
  const lock = {
    'node_modules/a': { dependencies: { b: '1' }, optionalDependencies: { gone: '1' } },
    'node_modules/a/node_modules/b': { dependencies: { c: '1' } },
    'node_modules/b': {},
    'node_modules/c': { dependencies: { a: '1' } },
    'node_modules/other': {},
  };
  expect(packageFolders(lock, ['a'])).toEqual([
    'node_modules/a',
    'node_modules/a/node_modules/b',
    'node_modules/c',
  ]);
});

test('ok: the Dockerfile begins from the node that this checkout runs on', () => {
  const dockerfile = readFileSync(join(HERE, '../../Dockerfile'), 'utf8');
  const bases = [...dockerfile.matchAll(/^FROM node:([0-9.]+)-bookworm-slim/gm)].map((match) => match[1]);
  expect(bases).toEqual([manifest.dependencies.node, manifest.dependencies.node]);
});
