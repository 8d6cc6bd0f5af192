// Generated values that a schema takes, in all the forms that it takes: one plain value for a list, words that YAML made
// booleans of. For properties that hold for every kind without knowing it.
import * as fc from 'fast-check';
import { check } from '#core/schema/check.ts';
import { hasDefault, isOptional, type Node, type Schema } from '#core/schema/schema.ts';

/** What stands for a secret in a custom resource. */
const SECRET = { secretKeyRef: { name: 'kept', key: 'value' } };
const DURATIONS = ['0', '30s', '90s', '5m', '1h30m', '1.5h', '250ms', '8760h', '12h0m0s'];
const TIMES = ['2026-01-31T15:04:05Z', '2030-06-14T21:21:00.123456789+01:00'];
/** The same as leaving the field out. */
const ZERO_TIME = '0001-01-01T00:00:00Z';
/** At least one of these fits each format there is; a format that none fits fails the test that needs it. */
const FORMATTED = [
  'token',
  'kubernetes',
  'joe@example.com',
  'a',
  'staging.example.com',
  'Größe-1',
  'default:agent',
  'https://issuer.example.com/id',
  'sha256:00',
  '10Gi',
  'INFO',
];

/** Values that `schema` takes; where it has a secret, what a custom resource has in its place. */
export function valuesOf(schema: Schema<unknown>): fc.Arbitrary<unknown> {
  return schema.secret ? fc.constant(SECRET) : valuesOfNode(schema.node);
}

function valuesOfNode(node: Node): fc.Arbitrary<unknown> {
  switch (node.type) {
    case 'string':
      return texts(node);
    case 'enum':
      return fc.constantFrom(...accepted(node, [...node.values, true, false, 0, 1]));
    case 'boolean':
      return fc.boolean();
    case 'integer':
      return fc.integer({ min: node.min, max: node.max });
    case 'duration':
      return fc.constantFrom(...accepted(node, DURATIONS));
    case 'timestamp':
      return fc.constantFrom(...TIMES);
    case 'list': {
      const items = valuesOf(node.item);
      const lists = fc.array(items, { maxLength: Math.min(3, node.max) });
      return node.single ? fc.oneof(lists, items) : lists;
    }
    case 'map':
      return fc.dictionary(keys(), valuesOf(node.value), { maxKeys: Math.min(3, node.max) });
    case 'object':
      return objects(node);
    case 'choice':
      return fc.oneof(...node.options.map(valuesOf));
    case 'json':
      return fc.oneof(anyText(8), fc.boolean(), fc.integer(), fc.dictionary(keys(), fc.array(anyText(8))));
  }
}

/** Every field that may be left out is there half of the time. */
function objects({ fields }: Extract<Node, { type: 'object' }>): fc.Arbitrary<unknown> {
  const present = Object.entries(fields).map(([name, field]) => {
    const mayBeLeftOut = isOptional(field) || hasDefault(field);
    const isTime = field.node.type === 'timestamp' && mayBeLeftOut;
    const values = isTime ? fc.oneof(valuesOf(field), fc.constant(ZERO_TIME)) : valuesOf(field);
    const entry = values.map((given): [string, unknown] => [name, given]);
    return mayBeLeftOut ? fc.option(entry, { nil: undefined, freq: 2 }) : entry;
  });
  return fc
    .tuple(...present)
    .map((entries) => Object.fromEntries(entries.filter((entry) => entry !== undefined)));
}

function texts(node: Extract<Node, { type: 'string' }>): fc.Arbitrary<unknown> {
  if (node.format !== undefined) return fc.constantFrom(...accepted(node, FORMATTED));
  const { minLength, maxLength } = node;
  return anyText(Math.max(minLength, Math.min(12, maxLength))).filter(
    (text) => text.length >= minLength && text.length <= maxLength,
  );
}

const anyText = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: 'binary', maxLength }).filter((text) => !text.includes('\0') && text.isWellFormed());

const keys = (): fc.Arbitrary<string> =>
  fc.oneof(fc.constantFrom('*', 'env', 'a/b', 'on', '1'), anyText(8)).filter((key) => key in {} === false);

function accepted(node: Node, candidates: readonly unknown[]): unknown[] {
  const schema = { node, description: '', secret: false };
  const fitting = candidates.filter((value) => check(schema, value).ok);
  if (fitting.length === 0)
    throw new Error(`no value for ${JSON.stringify(node)}: add one to schema-values.ts`);
  return fitting;
}
