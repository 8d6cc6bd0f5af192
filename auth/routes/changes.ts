// Writing resources on behalf of a caller: the one way for apply and for the routes of single resources. Parses,
// asks the guard for each, writes all or nothing, and says in the audit log what was done.
import { isDeepStrictEqual } from 'node:util';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource, type Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { isPlainObject } from '#core/schema/check.ts';
import { kindOf } from '#kinds/all.ts';
import type { Caller } from '../guard/caller.ts';
import type { Change } from '../state/state.ts';
import { emitChange } from './change-events.ts';
import { credentialsOf } from './credentials.ts';
import { requireOwnLabels } from './internal-labels.ts';
import { requireOwner, requireOwnerToRemove, withMarks, writerOf } from './owner-marks.ts';
import { stamped } from './stamps.ts';
import type { ServerContext } from './server-context.ts';

export interface ChangeRequest {
  /** `create` refuses what exists; `replace` creates or replaces. */
  readonly mode: 'create' | 'replace';
  readonly documents: readonly unknown[];
  readonly remove: readonly {
    readonly kind: string;
    readonly name: string;
    readonly revision?: string;
    readonly owner?: string;
  }[];
  readonly dryRun: boolean;
}

export interface ChangeResult {
  readonly kind: string;
  readonly name: string;
  readonly action: 'created' | 'updated' | 'unchanged' | 'deleted';
  readonly before?: Resource | undefined;
  readonly after?: Resource | undefined;
}

/** A concurrent writer can make the plan stale; then it is made again, so that every answer is about one moment. */
const MAX_ATTEMPTS = 5;
const STALE = ['CONDITION_FAILED', 'ALREADY_EXISTS', 'NOT_FOUND'] as const;

/**
 * All changes or none, in the order documents, removals. INVALID_RESOURCE lists the problems of all documents;
 * ACCESS_DENIED for the first change the caller may not make; ALREADY_EXISTS, NOT_FOUND, CONDITION_FAILED, IN_USE; OWNED
 * for operators.
 */
export async function applyChanges(
  context: ServerContext,
  caller: Caller,
  request: ChangeRequest,
): Promise<readonly ChangeResult[]> {
  const documents = parseAll(request.documents);
  for (let attempt = 1; ; attempt++) {
    const plan = [
      ...documents.map((document) => planWrite(context, caller, document, request.mode)),
      ...request.remove.map((removal) => planRemoval(context, caller, removal)),
    ];
    const changes = plan.flatMap(({ change }) => (change === undefined ? [] : [change]));
    try {
      if (request.dryRun) context.state.judge(changes);
      else await write(context, plan, changes);
    } catch (error) {
      if (attempt < MAX_ATTEMPTS && isCode(error, ...STALE)) continue;
      throw error;
    }
    if (!request.dryRun) for (const { result } of plan) emitChange(context, caller, result);
    return plan.map((planned) => replyOf(context, planned, request.dryRun));
  }
}

interface Planned {
  readonly result: ChangeResult;
  /** Whether the caller may be shown what was there before. */
  readonly mayRead: boolean;
  readonly change?: Change;
}

async function write(
  context: ServerContext,
  plan: readonly Planned[],
  changes: readonly Change[],
): Promise<void> {
  if (changes.length === 0) return;
  const users = plan
    .filter(
      ({ result }) => result.kind === 'user' && (result.action === 'created' || result.action === 'deleted'),
    )
    .map(({ result }) => result.name);
  await context.state.write([...changes, ...(await credentialsOf(context.state, users))]);
}

function parseAll(
  documents: readonly unknown[],
): readonly { readonly kind: Kind; readonly resource: Resource }[] {
  const problems: string[] = [];
  const messages: string[] = [];
  const parsed = documents.flatMap((document, index) => {
    try {
      const kind = kindOfDocument(document, index);
      const resource = isAlwaysRefused(kind) ? undefined : parseResource(kind, document);
      requireWritable(kind, resource);
      return resource === undefined ? [] : [{ kind, resource }];
    } catch (error) {
      if (!isCode(error, 'INVALID_RESOURCE', 'BAD_REQUEST')) throw error;
      if (documents.length === 1) throw error;
      messages.push(error.message);
      const found = error.details['problems'];
      problems.push(...(Array.isArray(found) ? (found as string[]) : [error.message]));
      return [];
    }
  });
  if (messages.length > 0) {
    throw new GatehouseError('INVALID_RESOURCE', messages.slice(0, 50).join('\n'), {
      details: { problems: problems.slice(0, 200) },
    });
  }
  return parsed;
}

function kindOfDocument(document: unknown, index: number): Kind {
  const word = isPlainObject(document) ? document['kind'] : undefined;
  if (typeof word === 'string') return kindOf(word);
  throw new GatehouseError('BAD_REQUEST', `document ${index + 1} has no kind`);
}

/** True for kinds of which nothing is written over the API. */
export function isAlwaysRefused(kind: Kind): boolean {
  return kind.audience === 'admin' ? kind.name === 'cert_authority' : kind.writtenSubKinds === undefined;
}

/** BAD_REQUEST for resources that are not written over the API. */
function requireWritable(kind: Kind, resource?: Resource): void {
  const isOpen =
    kind.audience === 'admin' || kind.writtenSubKinds?.includes(resource?.sub_kind ?? '') === true;
  if (isOpen && !isAlwaysRefused(kind)) return;
  const [sub] = kind.writtenSubKinds ?? [];
  const why: Readonly<Record<Kind['audience'], string>> = {
    admin: 'authorities are made by the auth service itself',
    presence: `agents keep it up to date themselves${sub === undefined ? '' : `; only those of sub_kind ${sub} are written`}`,
    internal: 'it is kept by the auth service itself',
  };
  throw new GatehouseError('BAD_REQUEST', `${kind.name} cannot be written: ${why[kind.audience]}`);
}

function planWrite(
  context: ServerContext,
  caller: Caller,
  { kind, resource: given }: { kind: Kind; resource: Resource },
  mode: ChangeRequest['mode'],
): Planned {
  const { guard, state } = context;
  const { name } = given.metadata;
  const before = state.get(kind.name, name);
  // An agent stands behind it, and would write it again.
  if (before !== undefined) requireWritable(kind, before);
  const { resource: unstamped, revision } = splitRevision(given);
  const writer = writerOf(caller);
  const resource = stamped(withMarks(unstamped, before), before, caller, context.clock.now());
  guard.requireResource(caller, kind.name, 'create', resource);
  if (mode === 'replace') {
    guard.requireResource(caller, kind.name, 'update', resource);
    if (before !== undefined) guard.requireResource(caller, kind.name, 'update', before);
    requireRevision(kind, name, before, revision);
  } else if (before !== undefined) {
    throw new GatehouseError('ALREADY_EXISTS', `${kind.name} ${titleOf(kind, name)} exists`);
  }
  const title = `${kind.name} ${titleOf(kind, name)}`;
  requireOwner(writer, title, { given: unstamped, before, revision });
  requireOwnLabels(writer, unstamped, before);
  const about = { kind: kind.name, name };
  if (before === undefined) {
    const result = { ...about, action: 'created', after: resource } as const;
    return { mayRead: true, result, change: { do: 'create', resource } };
  }
  const mayRead = guard.mayResource(caller, kind.name, 'read', before);
  if (isDeepStrictEqual(plain(splitRevision(before).resource), plain(resource))) {
    return { mayRead, result: { ...about, action: 'unchanged', before, after: before } };
  }
  return {
    mayRead,
    result: { ...about, action: 'updated', before, after: resource },
    change: { do: 'update', resource: withRevision(resource, before.metadata.revision) },
  };
}

function planRemoval(
  context: ServerContext,
  caller: Caller,
  removal: ChangeRequest['remove'][number],
): Planned {
  const { guard, state } = context;
  const kind = kindOf(removal.kind);
  if (kind.audience === 'internal' || kind.name === 'cert_authority') requireWritable(kind);
  guard.requireResource(caller, kind.name, 'delete');
  const { name } = removal;
  const before = state.get(kind.name, name);
  if (before === undefined)
    throw new GatehouseError('NOT_FOUND', `${kind.name} ${titleOf(kind, name)} does not exist`);
  guard.requireResource(caller, kind.name, 'delete', before);
  requireOwnerToRemove(writerOf(caller), `${kind.name} ${titleOf(kind, name)}`, before, removal.owner);
  requireRevision(kind, name, before, removal.revision);
  const mayRead = guard.mayResource(caller, kind.name, 'read', before);
  const about = { kind: kind.name, name };
  if (kind.singleton !== undefined && kind.checkDelete === undefined) {
    // A setting cannot be absent: to delete it is to go back to the defaults.
    const defaults = parseResource(kind, { kind: kind.name, spec: {} });
    const resource = writerOf(caller) === 'operator' ? defaults : withMarks(defaults, before);
    return {
      mayRead,
      result: { ...about, action: 'deleted', before, after: resource },
      change: { do: 'update', resource: withRevision(resource, before.metadata.revision) },
    };
  }
  const { revision } = before.metadata;
  return {
    mayRead,
    result: { ...about, action: 'deleted', before },
    change: { do: 'delete', kind: kind.name, name, ...(revision === undefined ? {} : { revision }) },
  };
}

/** The names of tokens are secrets and stay out of messages. */
function titleOf(kind: Kind, name: string): string {
  return kind.name === 'token' ? 'of this name' : `"${name.slice(0, 253)}"`;
}

function requireRevision(
  kind: Kind,
  name: string,
  before: Resource | undefined,
  revision: string | undefined,
): void {
  if (revision === undefined || before?.metadata.revision === revision) return;
  const what = before === undefined ? 'was deleted' : 'was changed';
  throw new GatehouseError(
    'CONDITION_FAILED',
    `${kind.name} ${titleOf(kind, name)} ${what} since it was read`,
  );
}

function splitRevision(given: Resource): { resource: Resource; revision: string | undefined } {
  const { revision, ...metadata } = given.metadata;
  return { resource: { ...given, metadata }, revision };
}

function withRevision(resource: Resource, revision: string | undefined): Resource {
  return revision === undefined ? resource : { ...resource, metadata: { ...resource.metadata, revision } };
}

/** Fields that are undefined are fields that are absent. */
const plain = (resource: Resource): unknown => JSON.parse(JSON.stringify(resource));

/** With what is stored now and its revision; who may not read a resource learns of it only what it sent. */
function replyOf(context: ServerContext, { result, mayRead }: Planned, isDryRun: boolean): ChangeResult {
  const { before, after, ...about } = result;
  if (about.action === 'unchanged') return mayRead ? result : about;
  const isWritten = !isDryRun && (about.action === 'created' || about.action === 'updated');
  const stored = isWritten ? (context.state.get(about.kind, about.name) ?? after) : after;
  return { ...about, ...(mayRead && before !== undefined ? { before } : {}), after: stored };
}
