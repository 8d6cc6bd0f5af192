// Where a document takes values from Secrets: found by the schema of its kind, filled in when they were read. Pure.
import { isPlainObject, type Path, type Problem } from '#core/schema/check.ts';
import type { Node, Schema } from '#core/schema/schema.ts';

export interface SecretRef {
  /** Where in the document the value belongs. */
  readonly path: Path;
  readonly name: string;
  readonly key: string;
}

const OBJECT_NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const DATA_KEY = /^[-._a-zA-Z0-9]{1,253}$/;

/** The references of a value that fits the schema but for its secrets; a problem for each secret that stands there. */
export function findSecretRefs(
  schema: Schema<unknown>,
  value: unknown,
  path: Path,
): { readonly refs: readonly SecretRef[]; readonly problems: readonly Problem[] } {
  const refs: SecretRef[] = [];
  const problems: Problem[] = [];
  visit(schema, value, path, (at, found) => {
    const ref = readRef(found, at);
    if (ref !== undefined) refs.push(ref);
    else problems.push({ path: at, message: SAYS });
  });
  return { refs, problems };
}

const SAYS = 'is a secret: keep it in a Secret of this namespace and write {secretKeyRef: {name, key}} here';

/** `{secretKeyRef: {name, key}}`; nothing else of it is looked at, so it never leads to another namespace. */
export function readRef(value: unknown, path: Path): SecretRef | undefined {
  const ref = isPlainObject(value) ? value['secretKeyRef'] : undefined;
  if (!isPlainObject(ref)) return undefined;
  const { name, key } = ref;
  const isGood = typeof name === 'string' && OBJECT_NAME.test(name) && typeof key === 'string';
  return isGood && DATA_KEY.test(key) ? { path, name, key } : undefined;
}

type Take = (path: Path, value: unknown) => void;

function visit(schema: Schema<unknown>, value: unknown, path: Path, take: Take): void {
  if (value === undefined || value === null) return;
  if (schema.secret) take(path, value);
  else visitParts(schema.node, value, path, take);
}

function visitParts(node: Node, value: unknown, path: Path, take: Take): void {
  if (node.type === 'list' && Array.isArray(value)) {
    value.forEach((item, index) => visit(node.item, item, [...path, index], take));
  } else if (node.type === 'map' && isPlainObject(value)) {
    for (const [key, item] of Object.entries(value)) visit(node.value, item, [...path, key], take);
  } else if (node.type === 'object' && isPlainObject(value)) {
    for (const [key, field] of Object.entries(node.fields)) visit(field, value[key], [...path, key], take);
  } else if (node.type === 'choice') {
    visitChoice(node.options, value, path, take);
  }
}

/** Which option the value is of is not known before it is whole; a path is taken once. */
function visitChoice(options: readonly Schema<unknown>[], value: unknown, path: Path, take: Take): void {
  const seen = new Set<string>();
  for (const option of options) {
    visit(option, value, path, (at, found) => {
      if (!seen.has(JSON.stringify(at))) take(at, found);
      seen.add(JSON.stringify(at));
    });
  }
}

/** A copy with the value at each path; lists and maps on the way are copied, nothing else. */
export function withValue(target: unknown, [first, ...rest]: Path, value: unknown): unknown {
  if (first === undefined) return value;
  if (Array.isArray(target)) {
    return target.map((item: unknown, index) => (index === first ? withValue(item, rest, value) : item));
  }
  const object = isPlainObject(target) ? target : {};
  return { ...object, [first]: withValue(object[String(first)], rest, value) };
}
