import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { MAX_DOCUMENT_LENGTH, readYaml } from './read.ts';

const valueOf = (text: string): unknown => structuredClone(readYaml(text)[0]?.value);
const complaintsOf = (text: string): string[] =>
  readYaml(text).flatMap(({ problems }) => problems.map(({ line, message }) => `${line}: ${message}`));

describe('values', () => {
  it.each([
    ['plain words stay words', 'a: yes\nb: off\nc: NO', { a: 'yes', b: 'off', c: 'NO' }],
    ['true and numbers are values', 'a: true\nb: 12\nc: -3', { a: true, b: 12, c: -3 }],
    ['a number keeps a leading zero', 'account: 0987654321', { account: '0987654321' }],
    ['a number keeps a trailing zero', 'version: 1.10', { version: '1.10' }],
    ['a long number keeps all digits', 'id: 12345678901234567890', { id: '12345678901234567890' }],
    [
      'hex, octal, infinity and exponents stay text',
      '[0x1F, 0o17, .inf, 1e3]',
      ['0x1F', '0o17', '.inf', '1e3'],
    ],
    ['a time is text', 'at: 2026-01-31T15:04:05Z', { at: '2026-01-31T15:04:05Z' }],
    ['nothing is null', 'a:\nb: ~\nc: null', { a: null, b: null, c: null }],
    ['numbers as keys are text', '1: a\ntrue: b', { 1: 'a', true: 'b' }],
    ['an alias is a copy', 'a: &x [1]\nb: *x', { a: [1], b: [1] }],
    ['an anchor that is set again', '- &x 1\n- *x\n- &x 2\n- *x', [1, 1, 2, 2]],
    ['JSON indented with tabs', '{\n\t"a": [\n\t\t1\n\t]\n}', { a: [1] }],
    ['JSON escapes', '{"a": "\\ud83d\\ude00\\/\\u0041"}', { a: '😀/A' }],
    ['Windows line ends', 'a: 1\r\nb: |\r\n  x\r\n  y\r\n', { a: 1, b: 'x\ny\n' }],
    ['a byte order mark', '\uFEFFa: 1', { a: 1 }],
  ])('ok: %s', (_name, text, expected) => {
    expect(complaintsOf(text)).toEqual([]);
    expect(valueOf(text)).toEqual(expected);
  });

  it.each(['\u2028', '\u2029', '\u0085', '\r', '\v', '\f'])(
    'S22 no document begins after %j, which is no line break of YAML',
    (separator) => {
      const text = `x${separator}--- {kind: user}${separator}---${separator}y`;
      for (const form of [
        JSON.stringify({ a: text }),
        stringify({ a: text }),
        stringify({ a: `b\n${text}\nc` }),
      ]) {
        expect(readYaml(form)).toHaveLength(1);
      }
      expect(valueOf(stringify({ a: text }))).toEqual({ a: text });
    },
  );

  it('ok: names of the prototype are ordinary keys here and reach no prototype', () => {
    const value = readYaml('__proto__: {polluted: true}\nconstructor: 1')[0]?.value;
    expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each([
    ['a duplicate key, with its line', 'a: 1\nb: 2\na: 3', ['3: the key "a" is there twice']],
    ['tabs', 'a:\n\tb: 1', ['2: indentation must be spaces, not tabs']],
    ['a tab among spaces', 'a:\n  b: 1\n  \tc: 2', ['3: indentation must be spaces, not tabs']],
    [
      'a merge key',
      'a: &x {b: 1}\nc:\n  <<: *x',
      ['3: merge keys (<<) are not supported; write the fields out'],
    ],
    ['an unknown tag', 'a: !secret x', ['1: has a tag (!…) that is not supported']],
    ['binary', 'a: !!binary aGVsbG8=', ['1: has a tag (!…) that is not supported']],
    ['an alias of nothing', 'a: *nobody', ['1: is an alias without an anchor before it']],
    ['an alias of itself', 'a: &x [*x]', ['1: is an alias inside of what it stands for']],
    ['a map as a key', '? {a: 1}\n: 2', ['1: has a key that is not plain text']],
    ['a directive', '%YAML 1.2\n---\na: 1', ['1: directives (lines that begin with %) are not supported']],
  ])('refuses: %s', (_name, text, expected) => {
    expect(complaintsOf(text)).toEqual(expected);
  });
});

describe('bounds', () => {
  it.each([
    ['deep lists', '['.repeat(100) + ']'.repeat(100), 'is nested more than 64 levels deep'],
    ['lists without end', '['.repeat(400_000), 'is nested too deep'],
    ['dashes without end', '- '.repeat(200_000), 'is nested too deep'],
    [
      'a document that is too large',
      `a: ${'x'.repeat(MAX_DOCUMENT_LENGTH)}`,
      'the document is larger than 512 KiB',
    ],
  ])('S33 refuses: %s', (_name, text, message) => {
    expect(readYaml(text)[0]?.problems[0]?.message).toBe(message);
  });

  it.each<[string, string]>([
    ['maps on one line in braces', `m: {${'me: '.repeat(50_000)}}`],
    ['maps on one line', 'me: '.repeat(50_000)],
    ['lists on one line', '- '.repeat(50_000)],
    ['keys that are keys', '? '.repeat(50_000)],
    ['lists in brackets', '['.repeat(50_000)],
    ['maps in braces', '{a: '.repeat(50_000)],
    ['maps line by line', Array.from({ length: 900 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
  ])('S33 refuses: depth without end, at once: %s', (_name, text) => {
    const start = performance.now();
    expect(complaintsOf(`a: 1\n---\n${text}`)).toEqual([expect.stringMatching(/^\d+: is nested too deep$/)]);
    expect(performance.now() - start).toBeLessThan(1500);
  });

  it('S33 refuses: a document whose aliases multiply', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]'];
    for (let level = 1; level < 10; level++) {
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(', ')}]`,
      );
    }
    expect(complaintsOf(lines.join('\n'))).toEqual([
      expect.stringContaining('more than 200000 values once aliases are followed'),
    ]);
  });

  it('S33 ok: many keys, anchors and aliases take time in proportion to their number', () => {
    const text = Array.from({ length: 16_000 }, (_, i) => `k${i}: &a${i} x\nl${i}: *a${i}`).join('\n');
    const started = performance.now();
    expect(complaintsOf(text)).toEqual([]);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  it('S33 ok: millions of empty lines and comments before a document', () => {
    expect(readYaml('\n'.repeat(400_000))).toEqual([]);
    expect(readYaml(`${'#\n'.repeat(200_000)}a: 1`)[0]?.line).toBe(200_001);
  });

  it('ok: a JSON list larger than one document may be is read entry by entry, with lines', () => {
    const entries = Array.from({ length: 3000 }, (_, i) => ({ id: i, text: `"]}{[,\\${'x'.repeat(300)}` }));
    const documents = readYaml(JSON.stringify(entries, null, 1));
    expect(documents).toHaveLength(3000);
    expect(documents.map(({ value }) => ({ ...(value as object) }))).toEqual(entries);
    expect(documents[2]?.line).toBe(10);
  });
});

describe('documents and lines', () => {
  const text = 'a: 1\n---\n# nothing here\n---\nb:\n  - c: 1\n    d: {e: 2}\n  - f\n---\nx: "\n---\ng: 3\n';

  it('ok: several documents, comments alone are none, and one bad one does not spoil the others', () => {
    const documents = readYaml(text);
    expect(documents.map(({ line }) => line)).toEqual([1, 5, 9, 12]);
    expect(documents.map(({ problems }) => problems.length)).toEqual([0, 0, 1, 0]);
  });

  it.each([
    [['b'], 5],
    [['b', 0, 'c'], 6],
    [['b', 0, 'd', 'e'], 7],
    [['b', 1], 8],
    [['b', 1, 'missing'], 8],
    [['b', 9], 5],
    [['nothing'], 5],
    [[], 5],
  ])('ok: the line of %j is %i', (path, line) => {
    expect(readYaml(text)[1]?.lineOf(path)).toBe(line);
  });

  it('ok: no message quotes the text, which may hold a secret', () => {
    const secret = 'hunter2';
    for (const bad of [
      `a: "${secret}`,
      `${secret}: b: c`,
      `a: *${secret}`,
      `- !${secret} x`,
      `a: [${secret}`,
      `}${secret}`,
    ]) {
      expect(complaintsOf(bad).length).toBeGreaterThan(0);
      expect(complaintsOf(bad).join()).not.toContain(secret);
    }
  });
});
