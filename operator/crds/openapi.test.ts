import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { resourceName } from '#core/resource.ts';
import { check, isPlainObject } from '#core/schema/check.ts';
import { hasSecrets } from '#core/schema/redact.ts';
import * as s from '#core/schema/schema.ts';
import { KINDS } from '#kinds/all.ts';
import { valuesOf } from '#test/kit/schema-values.ts';
import { clusterSpec } from './cluster.ts';
import { dataKey, objectName } from './fields.ts';
import { openApiOf, type OpenApi } from './openapi.ts';
import { storageSpec } from './storage.ts';

const plain = (schema: s.Schema<unknown>): OpenApi => openApiOf(schema, { defaults: false });
const OPEN = { 'x-kubernetes-preserve-unknown-fields': true };

describe('openApiOf', () => {
  it.each<[string, s.Schema<unknown>, object]>([
    ['text', s.string({ minLength: 1, maxLength: 5 }), { type: 'string', minLength: 1, maxLength: 5 }],
    ['words', s.enumOf(['a', 'b']), { type: 'string', enum: ['a', 'b'] }],
    [
      'words that YAML takes for others',
      s.enumOf(['off', 'x', '1']),
      { ...OPEN, enum: ['off', 'x', '1', false, 1] },
    ],
    ['a number', s.integer({ max: 9 }), { type: 'integer', format: 'int64', minimum: 0, maximum: 9 }],
    ['a number without an end', s.integer(), { type: 'integer', format: 'int64', minimum: 0 }],
    ['a list', s.list(s.boolean(), { max: 2 }), { type: 'array', items: { type: 'boolean' }, maxItems: 2 }],
    [
      'one or a list',
      s.list(s.string({ maxLength: 5 }), { single: true, max: 2 }),
      {
        ...OPEN,
        description: 'One value, or a list.',
        items: { type: 'string', maxLength: 5 },
        maxItems: 2,
        maxLength: 5,
        maxProperties: 0,
        nullable: true,
      },
    ],
    [
      'a map',
      s.map(s.boolean(), { max: 3 }),
      { type: 'object', additionalProperties: { type: 'boolean' }, maxProperties: 3, nullable: true },
    ],
    [
      'any object',
      s.map(s.json(), { max: 3 }),
      { type: 'object', ...OPEN, maxProperties: 3, nullable: true },
    ],
    ['anything', s.json({ description: 'Free.' }), { description: 'Free.', ...OPEN }],
    [
      'an object',
      s.object({ a: s.boolean(), b: s.optional(s.boolean()), c: s.withDefault(s.boolean(), true) }),
      {
        type: 'object',
        properties: { a: { type: 'boolean' }, b: { type: 'boolean' }, c: { type: 'boolean' } },
        required: ['a'],
      },
    ],
    [
      'yes, no or a word',
      s.choice([s.boolean(), s.enumOf(['x', 'off'])]),
      { description: 'Must be true or false or one of x, off.', ...OPEN, enum: [true, false, 'x', 'off'] },
    ],
    [
      'a word or a duration',
      s.choice([s.enumOf(['never']), s.duration()]),
      {
        description: 'Must be one of never or a duration.',
        type: 'string',
        pattern: '^(never)$|^(0|([0-9]+(\\.[0-9]+)?(ms|[smhd]))+)$',
      },
    ],
    [
      'yes, no or an object',
      s.choice([s.boolean(), s.object({ a: s.boolean() })]),
      {
        description: 'Must be true or false or a map of fields.',
        ...OPEN,
        properties: { a: { type: 'boolean' } },
      },
    ],
  ])('ok: %s', (_name, schema, expected) => {
    expect(plain(schema)).toEqual(expected);
  });

  it('ok: a secret is an object that says where it is kept', () => {
    const made = plain(s.object({ password: s.optional(s.string({ secret: true, description: 'For X.' })) }));
    expect(made.properties?.['password']).toMatchObject({
      type: 'object',
      description: 'For X. A secret: it is kept in a Secret, never here.',
      required: ['secretKeyRef'],
      properties: { secretKeyRef: { type: 'object', required: ['name', 'key'] } },
    });
  });

  it('ok: defaults are written for our own resources only', () => {
    const schema = s.object({ a: s.withDefault(s.boolean(), true) });
    expect(plain(schema).properties?.['a']).toEqual({ type: 'boolean' });
    expect(openApiOf(schema, { defaults: true }).properties?.['a']).toEqual({
      type: 'boolean',
      default: true,
    });
  });

  it('ok: what can be empty can be null, but for what has a default there', () => {
    const empty = s.object({ a: s.optional(s.boolean()) });
    const full = s.object({ a: s.boolean() });
    const schema = s.object({ empty, full, filled: s.withDefault(empty, {}), text: s.string() });
    const nullable = (defaults: boolean): string[] =>
      Object.entries(openApiOf(schema, { defaults }).properties ?? {}).flatMap(([name, field]) =>
        field.nullable === true ? [name] : [],
      );
    expect(nullable(false)).toEqual(['empty', 'filled']);
    expect(nullable(true)).toEqual(['empty']);
  });

  it('ok: what a schema cannot say is laid over by path', () => {
    const schema = s.object({ a: s.list(s.object({ b: s.boolean() })) });
    const made = openApiOf(schema, { defaults: false, more: { 'a[].b': { description: 'More.' } } });
    expect(made.properties?.['a']?.items?.properties?.['b']).toEqual({
      type: 'boolean',
      description: 'More.',
    });
  });
});

test.each([
  ['a name of a resource', resourceName, ['joe@example.com', 'Größe', 'a+b=c'], ['a b', 'a/b', '']],
  ['a name of a cluster', clusterNameFormat, ['a.b', 'A-1_x.com'], ['a b', '-a', 'a.', '']],
  ['a name of an object', objectName, ['a', 'a-b.c'], ['A', 'a_b', '-a', 'a.', '']],
  ['a key of a Secret', dataKey, ['a.b_C-1'], ['a/b', '']],
])('ok: the pattern of %s says what its format says', (_name, format, good, bad) => {
  const { pattern } = plain(s.string({ format }));
  const matches = new RegExp(pattern ?? '', 'u');
  for (const text of [...good, ...bad]) {
    expect([text, matches.test(text)]).toEqual([text, format.accepts(text)]);
    expect(matches.test(text)).toBe(good.includes(text));
  }
});

/** What the API server leaves of a value. */
function pruned(schema: OpenApi, value: unknown): unknown {
  const items = schema.items;
  if (Array.isArray(value)) return items === undefined ? value : value.map((item) => pruned(items, item));
  if (!isPlainObject(value)) return value;
  const kept = Object.entries(value).flatMap(([key, inner]): [string, unknown][] => {
    const below = Object.hasOwn(schema.properties ?? {}, key)
      ? schema.properties?.[key]
      : schema.additionalProperties;
    if (below !== undefined) return [[key, pruned(below, inner)]];
    return schema['x-kubernetes-preserve-unknown-fields'] === true ? [[key, inner]] : [];
  });
  return Object.fromEntries(kept);
}

const SPECS = [
  ...KINDS.map((kind) => [kind.name, kind.spec] as const),
  ['GatehouseCluster', clusterSpec] as const,
  ['GatehouseStorage', storageSpec] as const,
];

test.each(SPECS)('ok: no field of %s is pruned', (_name, spec) => {
  const schema = plain(spec);
  const property = fc.property(valuesOf(spec), (value) => {
    if (!hasSecrets(spec)) expect(check(spec, value)).toMatchObject({ ok: true });
    expect(pruned(schema, value)).toEqual(value);
  });
  fc.assert(property, { numRuns: 100 });
});

test('ok: every field of a role is among what is generated', () => {
  const { spec } = KINDS.find(({ name }) => name === 'role')!;
  const seen = new Set(fc.sample(valuesOf(spec), 200).flatMap((value) => paths(value, '')));
  const fields = s.object({ spec }).node;
  expect(seen.size).toBeGreaterThan(100);
  expect(fieldPaths(fields, '').filter((path) => !seen.has(path.replace('.spec', '')))).toEqual([]);
});

function fieldPaths(node: s.Node, path: string): string[] {
  if (node.type === 'list') return fieldPaths(node.item.node, path);
  if (node.type === 'choice') return node.options.flatMap((option) => fieldPaths(option.node, path));
  if (node.type !== 'object') return [path];
  return Object.entries(node.fields).flatMap(([name, field]) => fieldPaths(field.node, `${path}.${name}`));
}

function paths(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return [path, ...value.flatMap((item) => paths(item, path))];
  if (!isPlainObject(value)) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, `${path}.${key}`))];
}

test('refuses: the model of pruning takes away what is not known', () => {
  const schema = plain(s.object({ a: s.optional(s.list(s.object({ b: s.optional(s.boolean()) }))) }));
  expect(pruned(schema, { a: [{ b: true, c: 1 }], d: 1 })).toEqual({ a: [{ b: true }] });
});
