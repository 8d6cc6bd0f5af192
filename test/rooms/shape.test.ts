// Law: files are small, named in kebab-case after what they hold, and open by saying what they are for.
import { expect, test } from 'vitest';
import { forbidPattern, isTest, isTypeScript, type Law, readTree, roomOf, type SourceFile } from './tree.ts';
import { ROOMS } from './map.ts';

const MAX_SOURCE_LINES = 400;
const MAX_TEST_LINES = 600;
const MAX_README_LINES = 40;
const BANNED = /^(utils?|helpers?|common|misc|shared)$/;
const KEBAB = /^\.?[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*$/;
const UPPER_CASE_BY_CUSTOM =
  /^(README|ARCHITECTURE|CONTRIBUTING|SECURITY|CHANGELOG)\.md$|^(LICENSE|Makefile|Dockerfile)$|^(Chart\.yaml|NOTES\.txt|_[a-z-]+\.tpl)$/;

const sizeLaw: Law = (files) =>
  files
    .filter((file) => isTypeScript(file.path))
    .flatMap((file) => {
      const lines = file.text.split('\n').length - 1;
      const limit = isTest(file.path) ? MAX_TEST_LINES : MAX_SOURCE_LINES;
      return lines > limit
        ? [`${file.path}: ${lines} lines, the limit is ${limit}; split it by concern`]
        : [];
    });

const nameLaw: Law = (files) =>
  files.flatMap((file) =>
    file.path.split('/').flatMap((part) => {
      const stem = part.split('.').find((piece) => piece !== '') ?? '';
      if (BANNED.test(stem)) return [`${file.path}: "${part}" says nothing about what it holds`];
      if (KEBAB.test(part) || UPPER_CASE_BY_CUSTOM.test(part)) return [];
      return [`${file.path}: "${part}" is not kebab-case`];
    }),
  );

/** A test that stands beside the file it tests has said its job with its name. */
const headerLaw: Law = (files) => {
  const paths = new Set(files.map(({ path }) => path));
  const needsHeader = (path: string): boolean =>
    path.endsWith('.ts')
      ? !path.endsWith('.test.ts') || !paths.has(path.replace(/(\.slow)?\.test\.ts$/, '.ts'))
      : path.endsWith('.sh') || path.startsWith('bin/') || path === 'Makefile';
  return files
    .filter(({ path }) => needsHeader(path))
    .flatMap((file) => {
      const first = file.text.split('\n').find((line) => !line.startsWith('#!')) ?? '';
      if (/^(\/\/|#) ?\S/.test(first)) return [];
      return [`${file.path}: it must open with a comment that says its job`];
    });
};

const readmeLaw: Law = (files) => {
  const existing = new Set(files.map((file) => roomOf(file.path)));
  return [...Object.keys(ROOMS), 'test', 'hack'].flatMap((room) => {
    if (!existing.has(room)) return [];
    const readme = files.find((file) => file.path === `${room}/README.md`);
    if (readme === undefined)
      return [`${room}/README.md is missing: what it does, what it refuses, where to start reading`];
    const lines = readme.text.split('\n').length - 1;
    return lines >= MAX_README_LINES
      ? [`${readme.path}: ${lines} lines, it must stay under ${MAX_README_LINES}`]
      : [];
  });
};

const defaultExportLaw = forbidPattern(
  /^export default\b.*$/gm,
  'exports have names',
  (path) => isTypeScript(path) && path !== 'vitest.config.ts',
);

const barrelLaw: Law = (files) =>
  files
    .filter(({ path }) => /(^|\/)index\.ts$/.test(path))
    .map(({ path }) => `${path}: no barrels; import the file that holds the thing`);

const tree = readTree();

test.each([
  ['file size', sizeLaw],
  ['names', nameLaw],
  ['header comments', headerLaw],
  ['a short README per room', readmeLaw],
  ['no default exports', defaultExportLaw],
  ['no barrels', barrelLaw],
])('ok: %s', (_, law) => {
  expect(law(tree)).toEqual([]);
});

const file = (path: string, text = '// Job.\n'): SourceFile => ({ path, text });

test.each([
  ['a source file of 401 lines', sizeLaw, file('core/a.ts', '\n'.repeat(401))],
  ['a test of 601 lines', sizeLaw, file('core/a.test.ts', '\n'.repeat(601))],
  ['a file called utils', nameLaw, file('core/utils.ts')],
  ['a folder called shared', nameLaw, file('core/shared/a.ts')],
  ['a test of a file called helpers', nameLaw, file('core/helpers.test.ts')],
  ['camelCase', nameLaw, file('core/someThing.ts')],
  ['snake_case', nameLaw, file('core/some_thing.ts')],
  ['a file without a header', headerLaw, file('core/a.ts', "import x from 'y';\n")],
  ['a script without a header', headerLaw, file('hack/a.sh', '#!/bin/sh\nset -eu\n')],
  ['a room without a README', readmeLaw, file('core/a.ts')],
  ['a long README', readmeLaw, file('core/README.md', '\n'.repeat(40))],
  ['a default export', defaultExportLaw, file('core/a.ts', 'export default 1;')],
  ['a barrel', barrelLaw, file('core/index.ts')],
])('refuses: %s', (_, law, bad) => {
  expect(law([bad]).filter((line) => line.startsWith(roomOf(bad.path)))).toHaveLength(1);
});

test.each([
  ['a source file of 400 lines', sizeLaw, file('core/a.ts', '\n'.repeat(400))],
  ['dotfiles and several endings', nameLaw, file('.ci/run.slow.test.ts')],
  ['files that are upper case by custom', nameLaw, file('core/README.md')],
  ['a script with a header', headerLaw, file('hack/a.sh', '#!/bin/sh\n# Job.\n')],
])('ok: %s', (_, law, good) => {
  expect(law([good])).toEqual([]);
});
