// What a kind of resource is. One value per kind drives type, validation, storage key, route, verbs, table and docs.
import { GatehouseError } from './errors/error.ts';
import { metadataSchema, type Metadata, type Resource } from './resource.ts';
import { check, formatProblem, isPlainObject, type Checked, type Problem } from './schema/check.ts';
import { nearest } from './schema/nearest.ts';
import { redact } from './schema/redact.ts';
import * as s from './schema/schema.ts';

export interface Column<S> {
  readonly title: string;
  value(resource: Resource<S>): string;
}

/** Looks up other resources of the cluster, for rules that cross kinds. */
export interface Reader {
  get(kind: string, name: string): Resource | undefined;
  list(kind: string): Iterable<Resource>;
}

/**
 * Who works with the kind: `admin` kinds are written by people, `presence` kinds by agents (they expire),
 * `internal` kinds only by auth itself; they are reached with `get --with-secrets` and by backup and bootstrap.
 */
export type Audience = 'admin' | 'presence' | 'internal';

export interface Kind<S = unknown> {
  /** As in `kind:`; snake_case. */
  readonly name: string;
  /** As in routes, storage keys and `gatectl get`. */
  readonly plural: string;
  readonly aliases: readonly string[];
  readonly audience: Audience;
  readonly description: string;
  readonly subKinds: readonly string[];
  /** Of a presence kind: the sub kinds that no agent stands behind, so that people write them. */
  readonly writtenSubKinds?: readonly string[];
  /** Accepted versions, oldest first. */
  readonly versions: readonly string[];
  /** Taken when a document has no version. */
  readonly defaultVersion: string;
  /** The only name a resource of this kind may have, for settings of which there is one per cluster. */
  readonly singleton?: string;
  readonly spec: s.Schema<S>;
  readonly columns: readonly Column<S>[];
  /** Brings accepted spellings to one form, after the schema check. Pure. */
  normalize?(resource: Resource<S>): Resource<S>;
  /** Rules beyond the schema on the resource alone, run at each write and by `--dry-run`. Pure. */
  check?(resource: Resource<S>): readonly Problem[];
  /** Rules that look at other resources: a write … */
  checkWrite?(resource: Resource<S>, reader: Reader): readonly Problem[];
  /** … and a delete; a problem's message says what refers to it. */
  checkDelete?(resource: Resource<S>, reader: Reader): readonly Problem[];
}

type Definition<S> = Partial<Kind<S>> &
  Pick<Kind<S>, 'name' | 'description' | 'versions' | 'spec' | 'columns'>;

/** Fills in what most kinds share. */
export function defineKind<S>(definition: Definition<S>): Kind<S> {
  return {
    plural: `${definition.name}s`,
    aliases: [],
    audience: 'admin',
    subKinds: [],
    defaultVersion: definition.versions.at(-1) ?? 'v1',
    ...definition,
  };
}

/**
 * Validates a document as a resource of `kind`. INVALID_RESOURCE lists every problem as "path: what is wrong",
 * and carries them in `details.problems`.
 */
export function parseResource<S>(kind: Kind<S>, document: unknown): Resource<S> {
  const result = checkResource(kind, document);
  if (!result.ok) throw invalid(document, result.problems);
  return result.value;
}

/** The same without throwing, for callers that know more about where each path came from, such as its line. */
export function checkResource<S>(kind: Kind<S>, document: unknown): Checked<Resource<S>> {
  const envelope = s.object({
    kind: s.enumOf([kind.name]),
    sub_kind: s.optional(kind.subKinds.length === 0 ? s.enumOf(['']) : s.enumOf(['', ...kind.subKinds])),
    version: s.withDefault(s.enumOf(kind.versions), kind.defaultVersion),
    metadata: kind.singleton === undefined ? metadataSchema : singletonMetadata(kind.singleton),
    spec: kind.spec,
  });
  const result = check(envelope, document);
  if (!result.ok) return result;
  const { namespace: _dropped, ...metadata } = result.value.metadata;
  const { sub_kind, ...rest } = result.value;
  const checked = {
    ...rest,
    ...(sub_kind ? { sub_kind } : {}),
    metadata: metadata as Metadata,
    spec: rest.spec as S,
  };
  const resource = kind.normalize?.(checked) ?? checked;
  const problems = kind.check?.(resource) ?? [];
  return problems.length === 0 ? { ok: true, value: resource } : { ok: false, problems };
}

/** A copy without the secret fields of its kind. */
export function withoutSecrets<S>(kind: Kind<S>, resource: Resource<S>): Resource<S> {
  return { ...resource, spec: redact(kind.spec, resource.spec) };
}

/** Finds a kind by name, plural or alias; NOT_FOUND suggests the nearest known name. */
export function findKind(kinds: readonly Kind[], word: string): Kind {
  const lower = word.toLowerCase();
  const found = kinds.find(
    (kind) => kind.name === lower || kind.plural === lower || kind.aliases.includes(lower),
  );
  if (found !== undefined) return found;
  const shown = kinds.filter((kind) => kind.audience !== 'internal');
  const hint = nearest(
    lower,
    shown.flatMap((kind) => [kind.name, kind.plural, ...kind.aliases]),
  );
  const suggestion =
    hint === undefined
      ? `; known kinds: ${shown.map((kind) => kind.name).join(', ')}`
      : `; did you mean "${hint}"?`;
  throw new GatehouseError('BAD_REQUEST', `"${word.slice(0, 64)}" is not a known kind${suggestion}`);
}

/** INVALID_RESOURCE for problems found in `document`. */
export function invalid(document: unknown, problems: readonly Problem[]): GatehouseError {
  const lines = problems.map(formatProblem);
  return new GatehouseError('INVALID_RESOURCE', `${title(document)} is not valid:\n  ${lines.join('\n  ')}`, {
    details: { problems: lines },
  });
}

/** "role/dev", or what is known of it. */
function title(document: unknown): string {
  if (!isPlainObject(document)) return 'the document';
  const name = isPlainObject(document['metadata']) ? document['metadata']['name'] : undefined;
  const kind = typeof document['kind'] === 'string' ? document['kind'].slice(0, 64) : 'resource';
  return typeof name === 'string' ? `${kind}/${name.slice(0, 64)}` : kind;
}

function singletonMetadata(name: string): typeof metadataSchema {
  const fields = metadataSchema.node.type === 'object' ? metadataSchema.node.fields : {};
  const metadata = s.object({ ...fields, name: s.withDefault(s.enumOf([name]), name) });
  return s.withDefault(metadata as typeof metadataSchema, { name }) as typeof metadataSchema;
}
