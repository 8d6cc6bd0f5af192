// Law: nothing is left half-done, hidden from the run, tied to one machine, or secret. The patterns are put together
// from pieces so that this file does not break them itself.
import { expect, test } from 'vitest';
import { forbidPattern, isTest, isTypeScript, type Law, readTree, type SourceFile } from './tree.ts';

const words = (...pieces: string[]): string => pieces.join('');
const everywhere = (path: string): boolean => path !== 'package-lock.json' && path !== 'LICENSE';
const tests = (path: string): boolean => isTypeScript(path) && isTest(path);
const code = (path: string): boolean => isTypeScript(path);

const unfinishedLaw = forbidPattern(
  new RegExp(`\\b(?:${words('TO', 'DO')}|${words('FIX', 'ME')})\\b.*`, 'g'),
  'finish it, or write down the decision not to',
  everywhere,
);

const hiddenTestLaw = forbidPattern(
  /\b(?:test|it|describe|suite)\s*\.\s*(?:only|skip|todo|fails|skipIf|runIf)\b/g,
  'every test runs; one that cannot run here says why: context.skip("the reason")',
  code,
);

const machineLaw = forbidPattern(
  new RegExp(
    [
      words('(?<![\\w.-])/wo', 'rk/(?:main|sha', 'red)'),
      words('/Us', 'ers/\\w+'),
      words('regis', 'try\\.npm', 'js\\.org'),
      words('regis', 'try\\.yarn', 'pkg\\.com'),
      words('bash_', 'jobs'),
    ].join('|'),
    'g',
  ),
  'it names one machine or one registry',
  () => true,
);

const privateKeyLaw = forbidPattern(
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s|\\n|["'`+,])*[A-Za-z0-9+/=]{40,}/g,
  'a private key in a file is a leaked key; make one when the test runs',
  () => true,
);

const randomLaw = forbidPattern(
  new RegExp(words('Math', '\\.ran', 'dom\\b'), 'g'),
  'take random bytes from node:crypto; a test that needs a seed brings its own generator',
  code,
);

const sleepLaw = forbidPattern(
  /\b(?:setTimeout|setInterval)\(|(['"])node:timers(?:\/promises)?\1/g,
  'a test never waits for luck: give the code a FakeClock, or wait for the event itself (test/kit)',
  (path) =>
    tests(path) &&
    !path.startsWith('test/kit/') &&
    !path.startsWith('test/fuzz/') &&
    !path.startsWith('test/bench/'),
);

const environmentLaw = forbidPattern(
  /\bprocess\.(?:env|cwd|argv|exit|platform)\b/g,
  'core is pure: what it needs of the machine is an argument',
  (path) => code(path) && path.startsWith('core/') && !isTest(path),
);

const clockLaw = forbidPattern(
  /\bDate\.now\(\)|\bnew Date\(\)|(?<![.\w])set(?:Timeout|Interval)\(/g,
  'time is an argument: take a Clock (core/clock.ts)',
  (path) => code(path) && !isTest(path) && !path.startsWith('hack/') && path !== 'core/clock.ts',
);

const laws: readonly (readonly [string, Law])[] = [
  ['nothing unfinished', unfinishedLaw],
  ['no hidden tests', hiddenTestLaw],
  ['no machine and no registry', machineLaw],
  ['S36 no private key', privateKeyLaw],
  ['S7 random numbers come from node:crypto', randomLaw],
  ['no sleeping tests', sleepLaw],
  ['core reads nothing of the process', environmentLaw],
  ['time is an argument', clockLaw],
];

const tree = readTree();

test.each(laws)('ok: %s', (_, law) => {
  expect(law(tree)).toEqual([]);
});

const file = (path: string, text: string): SourceFile => ({ path, text });
const pem = (body: string): string => `-----BEGIN ${words('EC PRIV', 'ATE KEY')}-----${body}`;

test.each([
  ['an open end', unfinishedLaw, file('core/a.ts', words('// TO', 'DO: later'))],
  ['a test that runs alone', hiddenTestLaw, file('core/a.test.ts', words('test.', 'only("x", f)'))],
  ['a test that never runs', hiddenTestLaw, file('core/a.test.ts', words('describe.', 'skip("x", f)'))],
  ['a path of one machine', machineLaw, file('docs/a.md', words('see /wo', 'rk/main/core'))],
  ['a registry', machineLaw, file('.npmrc', words('https://regis', 'try.npm', 'js.org'))],
  ['a private key', privateKeyLaw, file('test/key.pem', pem(`\n${'A'.repeat(64)}\n`))],
  ['a private key in a string', privateKeyLaw, file('core/a.ts', `'${pem(`\\n${'A'.repeat(64)}`)}'`)],
  ['guessable random numbers', randomLaw, file('core/a.ts', words('Math', '.ran', 'dom()'))],
  ['a sleeping test', sleepLaw, file('core/a.test.ts', words('set', 'Timeout(done, 10)'))],
  ['core that reads the environment', environmentLaw, file('core/a.ts', words('process', '.env.HOME'))],
  ['code that looks at the wall clock', clockLaw, file('auth/a.ts', words('Date', '.now()'))],
  ['code with its own timer', clockLaw, file('auth/a.ts', words('set', 'Interval(f, 10)'))],
])('refuses: %s', (_, law, bad) => {
  expect(law([bad])).toHaveLength(1);
});

test.each([
  ['code that handles PEM', privateKeyLaw, file('core/a.ts', `'${pem('')}'`)],
  ['a skip with its reason', hiddenTestLaw, file('core/a.test.ts', 'context.skip("needs root");')],
  ['the timeout of a socket', clockLaw, file('wire/a.ts', words('socket.set', 'Timeout(1000)'))],
])('ok: %s', (_, law, good) => {
  expect(law([good])).toEqual([]);
});
