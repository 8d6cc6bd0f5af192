// Law: the lock file installs the same bytes on every machine, wherever they are fetched from.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from './tree.ts';
import manifest from '../../package.json' with { type: 'json' };

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
  lockfileVersion: number;
  packages: Record<string, Locked>;
};
const packages = Object.entries(lock.packages).filter(([path]) => path !== '');

test('ok: the lock file is that of package.json', () => {
  expect(lock.lockfileVersion).toBe(3);
  expect(lock.packages['']?.dependencies).toEqual(manifest.dependencies);
  expect(lock.packages['']?.devDependencies).toEqual(manifest.devDependencies);
});

test('ok: every package is pinned by its digest and by no address', () => {
  expect(
    packages.filter(([, locked]) => !locked.integrity?.startsWith('sha512-')).map(([path]) => path),
  ).toEqual([]);
  expect(packages.filter(([, locked]) => locked.resolved !== undefined).map(([path]) => path)).toEqual([]);
});

test('ok: the builds for all platforms are locked, or npm ci refuses the file', () => {
  const missing = packages.flatMap(([path, locked]) =>
    Object.keys(locked.optionalDependencies ?? {})
      .filter((name) => lock.packages[`node_modules/${name}`] === undefined)
      .map((name) => `${path} wants ${name}`),
  );
  expect(missing).toEqual([]);
});

test('ok: of the packages that are shipped, only those of allowScripts run code while installing', () => {
  const scripts = packages
    .filter(([, locked]) => locked.hasInstallScript === true && locked.dev !== true)
    .map(([path]) => path.slice(13));
  expect(scripts.filter((name) => !Object.keys(manifest.allowScripts).includes(name))).toEqual([]);
});

test('ok: setup lets no other package run code either', () => {
  const setup = readFileSync(join(ROOT, 'hack/setup/setup.sh'), 'utf8');
  expect(setup).toContain('run_npm ci --ignore-scripts && run_npm rebuild node');
  expect(Object.keys(manifest.allowScripts)).toEqual(['node']);
});

test('ok: the pinned node has a digest for the platform of the tests', () => {
  const digests = readFileSync(join(ROOT, 'hack/setup/node-digests.txt'), 'utf8');
  expect(digests).toMatch(new RegExp(`^v${manifest.dependencies.node} linux-x64 [0-9a-f]{64}$`, 'm'));
});
