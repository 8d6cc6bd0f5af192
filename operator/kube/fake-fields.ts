// Who owns which field of an object, and what server-side apply makes of it: the pure part of the fake. Lists are
// merged by key where Kubernetes' own types and our conditions are; all others are replaced whole.
import { isDeepStrictEqual } from 'node:util';

export type Fields = Readonly<Record<string, unknown>>;
/** Paths of fields, as JSON, by manager. */
export type Owners = ReadonlyMap<string, ReadonlySet<string>>;

/** By the name of the list. A set has values for keys. */
const LIST_KEYS: Readonly<Record<string, readonly string[]>> = {
  conditions: ['type'],
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  volumes: ['name'],
  imagePullSecrets: ['name'],
  volumeMounts: ['mountPath'],
  ownerReferences: ['uid'],
  ports: ['containerPort', 'port', 'protocol'],
  finalizers: [],
};

const isMap = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isKeyedList = (name: string, value: unknown): value is readonly unknown[] =>
  Array.isArray(value) && Object.hasOwn(LIST_KEYS, name);

function itemKey(name: string, item: unknown): string {
  const keys = LIST_KEYS[name] ?? [];
  return JSON.stringify(isMap(item) ? keys.map((key) => item[key]) : item);
}

/** Every field that `value` sets, by path. */
export function leavesOf(value: unknown, path: readonly string[] = []): Map<string, unknown> {
  const name = path.at(-1) ?? '';
  const children: (readonly [string, unknown])[] = isKeyedList(name, value)
    ? value.map((item) => [itemKey(name, item), item])
    : isMap(value)
      ? Object.entries(value)
      : [];
  if (children.length === 0) return new Map(path.length === 0 ? [] : [[JSON.stringify(path), value]]);
  return new Map(children.flatMap(([key, child]) => [...leavesOf(child, [...path, key])]));
}

/** `applied` over `live`; what only `live` has stays. */
export function mergeFields(live: unknown, applied: unknown, name = ''): unknown {
  if (isMap(live) && isMap(applied)) {
    const merged: Record<string, unknown> = { ...live };
    for (const [key, value] of Object.entries(applied)) merged[key] = mergeFields(live[key], value, key);
    return merged;
  }
  if (!isKeyedList(name, live) || !isKeyedList(name, applied)) return applied;
  const items = new Map(live.map((item) => [itemKey(name, item), item]));
  for (const item of applied) {
    const key = itemKey(name, item);
    items.set(key, mergeFields(items.get(key), item));
  }
  return [...items.values()];
}

/** Without the field at `path`, nor what is empty then. */
function withoutField(value: unknown, path: readonly string[], name = ''): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return undefined;
  if (isKeyedList(name, value)) {
    const kept = value
      .map((item) => (itemKey(name, item) === step ? withoutField(item, rest) : item))
      .filter((item) => item !== undefined);
    return kept.length === 0 ? undefined : kept;
  }
  if (!isMap(value) || !(step in value)) return value;
  const { [step]: child, ...others } = value;
  const left = withoutField(child, rest, step);
  if (left !== undefined) return { ...others, [step]: left };
  return Object.keys(others).length === 0 ? undefined : others;
}

export interface Applied {
  readonly fields: Fields;
  readonly owners: Owners;
}

/** The paths and managers that stand against an apply without force. */
export type Conflicts = readonly { readonly path: string; readonly manager: string }[];

/** Applies `wanted` for `manager`: sets its fields, and removes what only this manager had set and no longer wants. */
export function applyFields(
  live: Fields,
  owners: Owners,
  { wanted, manager, force }: { wanted: Fields; manager: string; force: boolean },
): Applied | Conflicts {
  const now = leavesOf(wanted);
  const before = leavesOf(live);
  const changed = new Set(
    [...now].filter(([path, value]) => !isDeepStrictEqual(before.get(path), value)).map(([path]) => path),
  );
  const conflicts = [...owners].flatMap(([other, paths]) =>
    other === manager
      ? []
      : [...paths].filter((path) => changed.has(path)).map((path) => ({ path, manager: other })),
  );
  if (conflicts.length > 0 && !force) return conflicts;
  const others = [...owners].filter(([other]) => other !== manager);
  const next = new Map(others.map(([other, paths]) => [other, minus(paths, changed)]));
  const dropped = [...(owners.get(manager) ?? [])].filter(
    (path) => !now.has(path) && ![...next.values()].some((paths) => paths.has(path)),
  );
  next.set(manager, new Set(now.keys()));
  let fields: unknown = live;
  for (const path of removals(dropped, before)) fields = withoutField(fields, path) ?? {};
  return { fields: mergeFields(fields, wanted) as Fields, owners: next };
}

/** What to take away: fields, and then whole items of keyed lists of which nothing is left but the key. */
function removals(dropped: readonly string[], before: ReadonlyMap<string, unknown>): (readonly string[])[] {
  const paths = dropped.map((path) => JSON.parse(path) as string[]);
  const isKey = (path: readonly string[]): boolean =>
    (LIST_KEYS[path.at(-3) ?? ''] ?? []).includes(path.at(-1) ?? '');
  const gone = new Set(dropped);
  const items = paths.filter(isKey).map((path) => path.slice(0, -1));
  const isEmptied = (item: readonly string[]): boolean => {
    const start = `${JSON.stringify(item).slice(0, -1)},`;
    return [...before.keys()].every((path) => !path.startsWith(start) || gone.has(path));
  };
  return [...paths.filter((path) => !isKey(path)), ...items.filter(isEmptied)];
}

/** After an update: who writes a field has it, and what is gone belongs to nobody. */
export function ownersAfterUpdate(owners: Owners, manager: string, before: Fields, after: Fields): Owners {
  const was = leavesOf(before);
  const is = leavesOf(after);
  const changed = new Set(
    [...is].filter(([path, value]) => !isDeepStrictEqual(was.get(path), value)).map(([path]) => path),
  );
  const gone = new Set([...was.keys()].filter((path) => !is.has(path)));
  const next = new Map([...owners].map(([other, paths]) => [other, minus(minus(paths, changed), gone)]));
  next.set(manager, new Set([...(next.get(manager) ?? []), ...changed]));
  return next;
}

function minus(paths: ReadonlySet<string>, gone: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...paths].filter((path) => !gone.has(path)));
}
