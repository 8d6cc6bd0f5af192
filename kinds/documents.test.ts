import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import { KINDS } from './all.ts';
import { formatDocuments, parseDocuments } from './documents.ts';
import { nodeKind } from './node/kind.ts';
import { userKind } from './user/kind.ts';

const read = (text: string) => parseDocuments(text, { kinds: KINDS, source: 'state.yaml' });

function refusalOf(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof GatehouseError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const JOE = 'kind: user\nversion: v2\nmetadata:\n  name: joe\nspec:\n  roles: admin\n';
const TOKEN = 'kind: token\nversion: v2\nmetadata:\n  name: secret-token-value\nspec:\n  roles: [Node]\n';

describe('parseDocuments', () => {
  it.each([
    ['nothing', '', []],
    ['comments', '# nothing\n---\n# here\n', []],
    ['one document', JOE, ['user/joe']],
    ['several', `---\n${JOE}---\n# empty\n---\n${TOKEN}`, ['user/joe', 'token/secret-token-value']],
    ['JSON', '{"kind": "user", "metadata": {"name": "joe"}, "spec": {}}', ['user/joe']],
    [
      'a JSON list',
      '[{"kind":"user","metadata":{"name":"a"},"spec":{}},{"kind":"user","metadata":{"name":"b"},"spec":{}}]',
      ['user/a', 'user/b'],
    ],
    ['a YAML list', `- ${JOE.replaceAll('\n', '\n  ')}`, ['user/joe']],
  ])('ok: %s', (_name, text, names) => {
    expect(read(text).map((resource) => `${resource.kind}/${resource.metadata.name}`)).toEqual(names);
  });

  it('refuses: bad documents all at once, with document, line and nearest name', () => {
    const text = `${JOE}---\nkind: user\nmetadata:\n  name: bob\nspec:\n  role: admin\n  traits:\n    logins: {a: 1}\n---\nkind: usr\n---\nkind: token\nmetadata: {name: abcd1234}\nspec: {}\n---\nx: [\n`;
    expect(refusalOf(text)).toBe(
      [
        'INVALID_RESOURCE state.yaml is not valid; nothing was applied:',
        '  document 2, line 12: spec.role is not a known field; did you mean "roles"?',
        '  document 2, line 14: spec.traits.logins must be a list, not a map',
        '  document 3, line 16: kind "usr" is not a known kind; did you mean "user"?',
        '  document 4, line 20: spec.roles is required',
        '  document 5, line 23: is not indented like the lines around it, or something before it is not closed',
      ].join('\n'),
    );
  });

  it.each([
    ['a plain word', 'hello', 'line 1: must be a resource with kind, version, metadata and spec'],
    ['no kind', 'metadata: {name: a}', 'line 1: kind is required, such as "kind: cluster_name"'],
    ['a plural as kind', 'kind: users', 'line 1: kind must be written "user"'],
    ['a resource twice', `${JOE}---\n${JOE}`, 'document 2, line 8: user/joe is there already, at line 1'],
    ['a duplicate key', `${JOE}  roles: [other]\n`, 'line 7: the key "roles" is there twice'],
    ['tabs', 'kind: user\nspec:\n\troles: admin', 'line 3: indentation must be spaces, not tabs'],
    [
      'a bad entry of a list',
      '[{"kind":"user","metadata":{"name":"a"},\n"spec":{"x":1}}]',
      'line 2: spec.x is not a known field',
    ],
  ])('refuses: %s', (_name, text, message) => {
    expect(refusalOf(text)).toContain(message);
  });

  it('S33 refuses: a file over 8 MiB', () => {
    expect(refusalOf('#'.repeat(8 * 1024 * 1024 + 1))).toBe('TOO_LARGE state.yaml is larger than 8 MiB');
  });

  it('S33 refuses: thousands of bad documents with a bounded answer', () => {
    const answer = refusalOf('---\nx: 1\n'.repeat(2000));
    expect(answer.split('\n')).toHaveLength(52);
    expect(answer).toContain('and 1950 more');
  });
});

describe('formatDocuments', () => {
  it('ok: the envelope is in a fixed order, documents are apart', () => {
    const joe = parseResource(userKind, {
      spec: { traits: { logins: ['joe'] }, roles: ['dev'] },
      metadata: { labels: { a: 'yes' }, name: 'joe' },
      version: 'v2',
      kind: 'user',
    });
    expect(formatDocuments([joe, joe], 'yaml')).toBe(
      'kind: user\nversion: v2\nmetadata:\n  name: joe\n  labels:\n    a: "yes"\nspec:\n  roles:\n    - dev\n  traits:\n    logins:\n      - joe\n---\n'
        .repeat(2)
        .slice(0, -4),
    );
    expect(JSON.parse(formatDocuments([joe], 'json'))).toEqual([joe]);
  });

  it.each(['yaml', 'json'] as const)('ok: any text comes back from %s as it was', (format) => {
    const text = fc
      .string({ unit: 'binary', maxLength: 40 })
      .filter((value) => !value.includes('\0') && value.isWellFormed());
    const awkward = fc.constantFrom(
      '010',
      '1.10',
      '1e3',
      'yes',
      'null',
      '~',
      '',
      ' a',
      'a ',
      '- x',
      '---',
      'a: b',
      '#c',
      "'",
      '"',
      '\t',
      '\r\n',
      '*a',
      '&a',
      '!b',
      '%c',
      '{',
      '[',
      '2026-01-31',
      '0x1f',
      '.inf',
      '<<',
      '\uFEFF',
      '\u2028',
      'a\n\n  b\n',
    );
    const value = fc.oneof(text, awkward);
    const key = value.filter((word) => !['__proto__', 'constructor', 'prototype'].includes(word));
    const property = fc.property(
      fc.dictionary(key, value, { maxKeys: 5 }),
      fc.array(value, { maxLength: 4 }),
      (labels, logins) => {
        const node = parseResource(nodeKind, {
          kind: 'node',
          metadata: { name: 'n', labels },
          spec: { hostname: 'h', proxy_ids: logins },
        });
        expect(read(formatDocuments([node], format))).toEqual([node]);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});
