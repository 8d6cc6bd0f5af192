// One look at one object: gathers, decides, writes to the cluster, and returns what was found. The status is written by
// who called.
import type { HouseCopy } from '../house/copy.ts';
import type { Connection } from '../house/house.ts';
import type { Houses } from '../house/houses.ts';
import { feedKey } from '#client/watch.ts';
import type { Code } from '#core/errors/codes.ts';
import { isCode } from '#core/errors/error.ts';
import { checkResource, type Kind } from '#core/kind.ts';
import type { Owner } from '#core/owner-mark.ts';
import type { Resource } from '#core/resource.ts';
import { CLUSTER } from '../crds/cluster.ts';
import type { KubeObject } from '../kube/kube.ts';
import { keyText, SECRETS } from '../kube/object-types.ts';
import type { OperatorContext } from '../runtime/controller.ts';
import { plainLine } from '../runtime/plain-text.ts';
import { chooseCluster } from './cluster-choice.ts';
import { problemLines, type Envelope } from './envelope.ts';
import type { Interest } from './interests.ts';
import { decideOwnership, marked } from './ownership.ts';
import { withValue, type SecretRef } from './secret-refs.ts';
import type { Settled } from './settled.ts';
import { isReadyAsIs, type Finding } from './status.ts';
import { findingOf, removeResource, writeDocument } from './write.ts';

export interface Look {
  readonly context: OperatorContext;
  readonly houses: Houses;
  readonly settled: Settled;
  readonly kind: Kind;
  readonly object: KubeObject;
  readonly envelope: Envelope;
  readonly owner: Owner;
  /** Makes sure that the object stays until what is made now is removed again; rejects when it is gone. */
  hold(): Promise<void>;
}

export interface Found {
  /** Undefined: what the status says still holds. */
  readonly finding?: Finding;
  readonly interest?: Interest;
  /** Milliseconds until another look; a change makes one sooner. */
  readonly again?: number;
}

type Connected = Extract<Connection, { state: 'connected' }>;

const MAX_LINE = 1000;
/** Another writer was first: its change is on its way to the copy. */
const AGAIN_SOON_MS = 300;
const AGAIN_LATER_MS = 5_000;

/** Throws only what is no answer: a fault of the API server, for instance. */
export async function lookAndWrite(look: Look): Promise<Found> {
  const { context, envelope, object, houses } = look;
  const { namespace } = object.metadata;
  const choice = chooseCluster(envelope.clusterName, context.cache.list(CLUSTER, namespace));
  if (!('cluster' in choice)) return { finding: { is: 'waiting', ...choice } };
  const { name } = choice.cluster.metadata;
  const cluster = keyText({ namespace, name });
  const connection = houses.connection({ namespace, name });
  const waiting = { cluster, resources: [], isWaiting: true };
  if (connection.state === 'connecting') {
    const { message } = connection;
    // It was applied as it is: an operator that starts, or an auth service that does, is no news about it.
    if (isReadyAsIs(object)) return { interest: waiting };
    return { finding: { is: 'waiting', reason: 'ClusterUnreachable', message }, interest: waiting };
  }
  const document = await documentWithSecrets(look);
  // Nothing in the cluster would change that: the object or its Secret has to.
  if ('finding' in document) return document;
  const found = await write(look, connection, document.document, name);
  return { ...found, interest: { cluster, ...found.wants } };
}

/** The document as the kind takes it, or why there is none. */
async function documentWithSecrets(
  look: Look,
): Promise<{ readonly document: Resource } | { readonly finding: Finding }> {
  const { envelope, kind, object, context } = look;
  if (envelope.problems.length > 0) return { finding: invalid(problemLines(envelope.problems, envelope)) };
  let document: unknown = envelope.document;
  for (const ref of envelope.secretRefs) {
    const value = await readSecret(context, object, ref);
    if (value === undefined) {
      const message = `the Secret "${ref.name}" of this namespace has no key "${ref.key}"`;
      return { finding: { is: 'waiting', reason: 'SecretNotFound', message } };
    }
    document = withValue(document, ref.path, value);
  }
  const checked = checkResource(kind, document);
  if (!checked.ok) return { finding: invalid(problemLines(checked.problems, envelope)) };
  const { expires } = checked.value.metadata;
  if (expires !== undefined && Date.parse(expires) <= context.clock.now()) {
    return { finding: { is: 'failed', reason: 'Expired', message: `expires: the time ${expires} is over` } };
  }
  return { document: checked.value };
}

/** Of the namespace of the object and of no other. */
async function readSecret(
  { kube }: OperatorContext,
  object: KubeObject,
  { name, key }: SecretRef,
): Promise<string | undefined> {
  const secret = await kube
    .get(SECRETS, { namespace: object.metadata.namespace, name })
    .catch((error: unknown) => {
      if (isCode(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
  const data = (secret?.['data'] ?? {}) as Readonly<Record<string, unknown>>;
  const text = Object.hasOwn(data, key) ? data[key] : undefined;
  // A newline at the end is of the editor, not of the secret.
  return typeof text === 'string'
    ? Buffer.from(text, 'base64')
        .toString('utf8')
        .replace(/\r?\n$/, '')
    : undefined;
}

interface Written extends Pick<Found, 'finding' | 'again'> {
  readonly wants: Pick<Interest, 'resources' | 'isWaiting'>;
}

async function write(
  look: Look,
  connection: Connected,
  resource: Resource,
  cluster: string,
): Promise<Written> {
  const { kind, owner, envelope, settled } = look;
  const { copy } = connection;
  const { name } = resource.metadata;
  const resources = [feedKey(kind.name, name)];
  const present = copy.get(kind.name, name);
  const decision = decideOwnership(kind, present, owner, envelope.isAdopting);
  if (decision.do === 'nothing') {
    const finding = { is: 'conflict', message: decision.message } as const;
    return { finding, wants: { resources, isWaiting: false } };
  }
  const problems = kind.checkWrite?.(resource, copy) ?? [];
  if (problems.length > 0) {
    const finding = { ...invalid(problemLines(problems, envelope)), is: 'waiting' } as const;
    return { finding, wants: { resources, isWaiting: true } };
  }
  await look.hold();
  try {
    const document = marked(resource as unknown as Readonly<Record<string, unknown>>, owner);
    const isThere = settled.has(owner.id, document, present?.metadata.revision);
    const revision = isThere
      ? present?.metadata.revision
      : await writeAndFollow(connection, document, decision.do === 'create' ? 'create' : decision);
    settled.note(owner.id, document, revision);
    await removeOthers(look, connection, name);
    return { finding: { is: 'applied', cluster, revision }, wants: { resources, isWaiting: false } };
  } catch (error) {
    settled.forget(owner.id);
    return { ...refused(look, error), wants: { resources, isWaiting: true } };
  }
}

async function writeAndFollow(
  { api, copy }: Connected,
  document: Readonly<Record<string, unknown>>,
  mode: Parameters<typeof writeDocument>[2],
): Promise<string | undefined> {
  const revision = (await writeDocument(api, document, mode))?.metadata.revision;
  // The next look must see it.
  if (revision !== undefined) await copy.reached(revision);
  return revision;
}

/** What this object had under another name: that of a token whose Secret was changed. */
async function removeOthers(look: Look, { api, copy }: Connected, name: string): Promise<void> {
  for (const other of ownedBy(copy, look.kind, look.owner)) {
    if (other.metadata.name !== name) await removeResource(api, other, look.owner.id);
  }
}

export const ownedBy = (copy: HouseCopy, kind: Kind, owner: Owner): readonly Resource[] =>
  copy.owned(kind.name, owner.id);

const RACES: readonly Code[] = ['CONDITION_FAILED', 'ALREADY_EXISTS', 'NOT_FOUND'];

/** What a failed call means for the object. */
export function refused(
  { kind, envelope, object }: Pick<Look, 'kind' | 'envelope' | 'object'>,
  error: unknown,
): Pick<Found, 'finding' | 'again'> {
  const finding = findingOf(kind, error, envelope.secretRefs.length > 0);
  if (finding !== undefined) return { finding };
  if (!isCode(error)) throw error;
  const { code } = error;
  const isRace = RACES.includes(code);
  const again = isRace ? AGAIN_SOON_MS : AGAIN_LATER_MS;
  if (!isRace && isReadyAsIs(object)) return { again };
  const message = isRace
    ? 'the resource is being changed by somebody else'
    : `the auth service cannot do it at present (${code})`;
  return {
    finding: { is: 'waiting', reason: isRace ? 'Changing' : 'ClusterUnreachable', message },
    again,
  };
}

function invalid(lines: readonly string[]): Extract<Finding, { is: 'failed' }> {
  const message = lines
    .slice(0, 20)
    .map((line) => plainLine(line, MAX_LINE))
    .join('\n');
  return { is: 'failed', reason: 'Invalid', message };
}
