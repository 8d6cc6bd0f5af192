// Sessions of people in browsers: made by a login, opened by proxies for whoever has both halves of the cookie, ended with
// everything that was made from them. The person must still be there at each opening.
import type { UserIdentity } from '#core/identity.ts';
import { parseIdentity } from '#core/identity.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { timestampOf } from '#core/timestamp.ts';
import { webSessionKind, type WebSessionSpec } from '#kinds/web-session/kind.ts';
import type { IssueContext } from '../issue/context.ts';
import { requireHolder } from '../issue/holder.ts';
import type { Change } from '../state/state.ts';
import { hashOf, isSecret, newHalves, type Halves } from './halves.ts';

export type WebSession = Resource<WebSessionSpec>;

/** More than anybody has in browsers at once; further ones are refused until some end. */
const MOST_PER_USER = 500;

export interface NewSession {
  readonly type: 'web' | 'app';
  readonly user: string;
  readonly address: string;
  /** Milliseconds since the epoch. */
  readonly expires: number;
  readonly more: Partial<WebSessionSpec>;
}

/** The record of a new session, to be written, and what its cookie is made of. */
export function makeSession(
  { clock }: Pick<IssueContext, 'clock'>,
  { type, user, address, expires, more }: NewSession,
): { readonly halves: Halves; readonly resource: WebSession } {
  const halves = newHalves();
  const resource = parseResource(webSessionKind, {
    kind: webSessionKind.name,
    metadata: { name: halves.id, expires: timestampOf(expires) },
    spec: {
      type,
      user,
      address,
      created: timestampOf(clock.now()),
      secret_hash: hashOf(halves.secret),
      ...more,
    },
  });
  return { halves, resource };
}

/** LIMIT_EXCEEDED when the person has too many. */
export function requireRoom({ state }: Pick<IssueContext, 'state'>, user: string): void {
  let count = 0;
  for (const session of sessionsOf(state)) if (session.spec.user === user) count++;
  if (count >= MOST_PER_USER) {
    throw new GatehouseError(
      'LIMIT_EXCEEDED',
      'there are too many sessions of you in browsers; log out of some',
    );
  }
}

export function* sessionsOf(state: Pick<IssueContext['state'], 'list'>): Iterable<WebSession> {
  for (const session of state.list(webSessionKind.name)) yield session as WebSession;
}

export interface Opening extends Halves {
  /** IP of the person's client. */
  readonly address: string;
}

/**
 * The session of both halves, which is of the given type and has not ended. UNAUTHENTICATED for anything else; LOCKED and
 * NOT_FOUND when the person is locked or not there any more.
 */
export async function requireSession(
  context: IssueContext,
  type: 'web' | 'app',
  { id, secret }: Halves,
): Promise<WebSession> {
  const found = /^[0-9a-f]{32}$/.test(id) ? await context.state.read(webSessionKind, id) : undefined;
  const isGood =
    found !== undefined &&
    isSecret(secret, found.spec.secret_hash) &&
    found.spec.type === type &&
    Date.parse(found.metadata.expires ?? '') > context.clock.now();
  if (!isGood) throw new GatehouseError('UNAUTHENTICATED', 'there is no such session any more; log in again');
  return found;
}

/** Whose session of the web it is. As requireSession; UNAUTHENTICATED from another address when it is pinned to one. */
export async function openSession(
  context: IssueContext,
  { address, ...halves }: Opening,
): Promise<{ readonly session: WebSession; readonly identity: UserIdentity }> {
  const session = await requireSession(context, 'web', halves);
  const identity = parseIdentity(JSON.parse(session.spec.identity ?? '{}'));
  if (identity.kind !== 'user') throw new GatehouseError('CORRUPT', 'a session of the web is not of a user');
  if (identity.pinned_ip !== undefined && identity.pinned_ip !== address) {
    throw new GatehouseError('UNAUTHENTICATED', 'the session is pinned to another address; log in again');
  }
  requireHolder(context, identity);
  return { session, identity };
}

/** Removes sessions, and those that were made from them. */
export async function endSessions(
  { state }: Pick<IssueContext, 'state'>,
  ids: readonly string[],
): Promise<void> {
  const all = new Set(ids);
  for (const { metadata, spec } of sessionsOf(state)) {
    if (spec.parent !== undefined && all.has(spec.parent)) all.add(metadata.name);
  }
  const changes: Change[] = [...all].map((name) => ({
    do: 'delete',
    kind: webSessionKind.name,
    name,
    ifPresent: true,
  }));
  for (let at = 0; at < changes.length; at += 100) await state.write(changes.slice(at, at + 100));
}
