// Law: the table of attacks and tests is true; and what has no test of behaviour, because it is
// about code that must not exist, is looked for here.
import { expect, test } from 'vitest';
import { forbidPattern, isTest, type Law, readTree, type SourceFile } from './tree.ts';

const PAGE = 'docs/security-tests.md';
const OWN = 'test/rooms/security-tests.test.ts';
const LAST = 37;

/** "S13" at the beginning of a word, but not as a key of a table ("S3:"). */
const IDS = /\bS([1-9]\d?)\b(?!:)/g;
const ROW = /^\| (S\d+) \| ([^|]+) \| ([^|]+) \|$/gm;

const idsOf = (text: string): Set<string> => new Set([...text.matchAll(IDS)].map(([, id]) => `S${id}`));

const law: Law = (files) => {
  const page = files.find(({ path }) => path === PAGE)?.text ?? '';
  const tests = new Map(
    files
      .filter(({ path }) => path.endsWith('.test.ts') && path !== OWN)
      .map(({ path, text }) => [path, idsOf(text)]),
  );
  tests.set(OWN, new Set(['S25']));
  const rows = new Map([...page.matchAll(ROW)].map(([, id = '', , cell = '']) => [id, cell]));
  const ids = Array.from({ length: LAST }, (_, index) => `S${index + 1}`);
  return ids.flatMap((id) => {
    const cell = rows.get(id);
    if (cell === undefined) return [`${PAGE}: no row for ${id}`];
    const named = [...cell.matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
    const known = [...tests].filter(([, has]) => has.has(id)).map(([path]) => path);
    if (named.length === 0) {
      const isTrue = cell.trim() === 'none yet' && known.length === 0;
      return isTrue ? [] : [`${PAGE}: ${id} names no test; there are: ${known.join(' ')}`];
    }
    const empty = named.filter((path) => !known.includes(path));
    return empty.map((path) => `${PAGE}: ${path} has no test of ${id}`);
  });
};

/** The only ones that dial: issuers that an admin named, judged at the dial, and the API server of auth's own cluster. */
const DIALERS = ['auth/joining/kubernetes/fetch-text.ts', 'auth/joining/kubernetes/token-review.ts'];

/** The auth service answers and does not dial, so nobody can steer where it dials to. */
const dialLaw = forbidPattern(
  /\bfetch\(|\bhttps?\.(?:request|get)\(|\b(?:net|tls)\.connect\(|import \{[^}]*\b(?:request|connect|createConnection|lookup|resolve4?)\b[^}]*\} from 'node:(?:https?|http2|net|tls|dns(?:\/promises)?)'/g,
  'the auth service dials nobody',
  (path) => path.startsWith('auth/') && !isTest(path) && !DIALERS.includes(path),
);

test('ok: every attack has its row, and every row its tests', () => {
  expect(law(readTree())).toEqual([]);
});

test('S25 the auth service dials nobody, but for two files', () => {
  expect(dialLaw(readTree())).toEqual([]);
});

const file = (path: string, text: string): SourceFile => ({ path, text });
const rows = (first: string): string =>
  ['| Id |', first, ...Array.from({ length: LAST - 1 }, (_, at) => `| S${at + 2} | x | none yet |`)].join(
    '\n',
  );
const guard = file('auth/guard.test.ts', "test('S1 ...')");

test.each([
  ['a row that is missing', [file(PAGE, rows(''))], 'no row for S1'],
  ['a file that is gone', [file(PAGE, rows('| S1 | x | `auth/guard.test.ts` |'))], 'has no test of S1'],
  [
    'a file without such a test',
    [file(PAGE, rows('| S1 | x | `auth/guard.test.ts` |')), file(guard.path, "test('S11 ...')")],
    'has no test of S1',
  ],
  [
    'tests that no row names',
    [file(PAGE, rows('| S1 | x | none yet |')), guard],
    'there are: auth/guard.test.ts',
  ],
])('refuses: %s', (_, files, message) => {
  expect(law(files).join('\n')).toContain(message);
});

test.each([
  ["import { request as httpsRequest } from 'node:https';", 1],
  ["await fetch('https://example.com')", 1],
  ['net.connect(3025)', 1],
  ["import type { AddressInfo } from 'node:net';", 0],
  ['(request: FastifyRequest) => request.raw', 0],
])('ok: the law about dialling sees %s: %i', (text, count) => {
  expect(dialLaw([file('auth/x.ts', text)])).toHaveLength(count);
});
