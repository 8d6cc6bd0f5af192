// Takes the secrets out of a value that fits its schema.
import { isPlainObject } from './check.ts';
import type { Schema } from './schema.ts';

/** A copy of `value` without the fields that the schema marks as secret. */
export function redact<T>(schema: Schema<T>, value: T): T {
  return visit(schema, value) as T;
}

function visit(schema: Schema<unknown>, value: unknown): unknown {
  if (schema.secret) return undefined;
  const { node } = schema;
  // Which option the value is of is not known here.
  if (node.type === 'choice' && hasSecrets(schema)) return undefined;
  if (node.type === 'list' && Array.isArray(value)) return value.map((item) => visit(node.item, item));
  if (node.type === 'map' && isPlainObject(value)) return mapEntries(value, () => node.value);
  if (node.type === 'object' && isPlainObject(value)) return mapEntries(value, (key) => node.fields[key]);
  return value;
}

function mapEntries(
  value: Record<string, unknown>,
  schemaOf: (key: string) => Schema<unknown> | undefined,
): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const schema = schemaOf(key);
    const kept = schema === undefined ? undefined : visit(schema, item);
    if (kept !== undefined) out[key] = kept;
  }
  return out;
}

/** True when the schema has a secret anywhere. */
export function hasSecrets(schema: Schema<unknown>): boolean {
  const { node } = schema;
  if (schema.secret) return true;
  if (node.type === 'list') return hasSecrets(node.item);
  if (node.type === 'map') return hasSecrets(node.value);
  if (node.type === 'object') return Object.values(node.fields).some(hasSecrets);
  return node.type === 'choice' && node.options.some(hasSecrets);
}
