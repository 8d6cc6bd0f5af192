// One cluster's objects and what its spec refers to, from the informers' copy where that is good enough and from the API
// server where an old answer would mislead. Reads only, and only in the namespace of the GatehouseCluster.
import { ping } from '#core/api/cluster.ts';
import type { Log } from '#core/log.ts';
import { parseClusterSpec } from '../crds/cluster.ts';
import { parseStorageSpec, STORAGE } from '../crds/storage.ts';
import type { Houses } from '../house/houses.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import { CONFIG_MAPS, PODS, SECRETS, STATEFUL_SETS } from '../kube/object-types.ts';
import type { OperatorContext } from '../runtime/controller.ts';
import { find, isOurs } from './apply.ts';
import type { Gathered } from './checks.ts';
import { countsOf, lookAt, revisionOf, type Counts } from './health.ts';
import { readMemory, revisionNamed, type Memory, type Vouched } from './memory.ts';
import { certificateSecretName, COMPONENT_LABEL, INSTANCE_LABEL, memoryName, stepName } from './names.ts';
import type { Seen, Step } from './upgrade.ts';
import { plainVersion } from './versions.ts';

/** Why auth, whose pods are ready, is not through its gate. */
export const NOT_ANSWERING = 'NotAnswering';

export type ClusterKey = ObjectKey & { readonly namespace: string };

export interface Gathering {
  readonly checked: Gathered;
  readonly memory: Memory;
  readonly memoryObject: KubeObject | undefined;
  readonly sets: Readonly<Record<Step, KubeObject | undefined>>;
  readonly seen: Readonly<Record<Step, Seen>>;
  readonly counts: Readonly<Record<Step, Counts>>;
  /** Of the cluster that answers, or of the last time one did. */
  readonly caPins: readonly string[];
}

export interface GatherOptions {
  readonly context: OperatorContext;
  readonly houses: Pick<Houses, 'connection'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Rejects with the errors of Kube when the API server does not answer; what is missing is part of the answer. */
export async function gather(
  key: ClusterKey,
  object: KubeObject,
  { context, houses, log, signal }: GatherOptions,
): Promise<Gathering> {
  const { kube, cache, operator } = context;
  const ofNamespace = (name: string): ClusterKey => ({ namespace: key.namespace, name });
  const spec = parseClusterSpec(object['spec']);
  const ownSet = async (step: Step): Promise<KubeObject | undefined> => {
    const set = await find(kube, STATEFUL_SETS, ofNamespace(stepName(key.name, step)), signal);
    return set !== undefined && isOurs(set, STATEFUL_SETS, object.metadata.uid ?? '') ? set : undefined;
  };
  const [auth, proxy, remembered, tls] = await Promise.all([
    ownSet('auth'),
    ownSet('proxy'),
    find(kube, CONFIG_MAPS, ofNamespace(memoryName(key.name)), signal),
    spec.ok ? tlsOf(key, spec.value.proxy.tls, { context, signal }) : undefined,
  ]);
  const isOwnMemory = remembered !== undefined && isOurs(remembered, CONFIG_MAPS, object.metadata.uid ?? '');
  const memoryObject = isOwnMemory ? remembered : undefined;
  const sets = { auth, proxy };
  const memory = readMemory(key.name, memoryObject, vouchedBy(object, sets));
  const podsOf = (step: Step): readonly KubeObject[] =>
    cache
      .list(PODS, key.namespace)
      .filter(
        ({ metadata: { labels } }) =>
          labels?.[INSTANCE_LABEL] === key.name && labels[COMPONENT_LABEL] === step,
      );
  const authSeen = lookAt(auth, podsOf('auth'));
  const storageName = spec.ok ? spec.value.storageRef?.name : undefined;
  const storage = storageName === undefined ? undefined : cache.get(STORAGE, ofNamespace(storageName));
  const connection = houses.connection(key);
  return {
    checked: {
      object,
      spec,
      storage:
        storageName === undefined
          ? 'default'
          : storage === undefined
            ? 'missing'
            : parseStorageSpec(storage['spec']),
      tls,
      authSet: auth,
      operatorVersion: operator.version,
      runningVersion: revisionNamed(memory, 'auth', memory.rollout.good.auth)?.version,
    },
    memory,
    memoryObject,
    sets,
    seen: {
      auth: await answeringAuth(authSeen, memory, { connection, log }),
      proxy: lookAt(proxy, podsOf('proxy')),
    },
    counts: { auth: countsOf(auth), proxy: countsOf(proxy) },
    caPins: connection.state === 'connected' ? connection.caPins : pinsOf(object),
  };
}

/** Who may write these could make pods, or is an operator. */
function vouchedBy(object: KubeObject, sets: Gathering['sets']): Vouched {
  const { lastGoodRevision = '' } = (object['status'] ?? {}) as { lastGoodRevision?: string };
  const [auth, proxy] = lastGoodRevision.split('/');
  return {
    auth: new Set([auth, revisionOf(sets.auth)]),
    proxy: new Set([proxy, revisionOf(sets.proxy)]),
  };
}

type TlsSpec = { readonly secretName?: string; readonly certManager?: object } | undefined;

async function tlsOf(
  { namespace, name }: ClusterKey,
  tls: TlsSpec,
  { context, signal }: Pick<GatherOptions, 'context' | 'signal'>,
): Promise<Gathered['tls']> {
  const secretName =
    tls?.secretName ?? (tls?.certManager === undefined ? undefined : certificateSecretName(name));
  if (secretName === undefined) return undefined;
  const secret = await find(context.kube, SECRETS, { namespace, name: secretName }, signal);
  return {
    name: secretName,
    keys: secret === undefined ? 'missing' : Object.keys((secret['data'] ?? {}) as object),
  };
}

/** A new auth is through its gate when it answers the operator in the version that was asked for. */
async function answeringAuth(
  seen: Seen,
  memory: Memory,
  { connection, log }: { connection: ReturnType<Houses['connection']>; log: Log },
): Promise<Seen> {
  if (seen.state !== 'ready' || seen.revision === memory.rollout.good.auth) return seen;
  const waiting = (message: string): Seen => ({ ...seen, state: 'rolling', reason: NOT_ANSWERING, message });
  if (connection.state !== 'connected') {
    return waiting(`the pods are ready, and the operator cannot reach auth yet: ${connection.message}`);
  }
  const wanted = revisionNamed(memory, 'auth', seen.revision)?.version;
  try {
    const { server_version: version } = await connection.api.call(ping, {});
    if (wanted === undefined || plainVersion(version) === plainVersion(wanted)) return seen;
    return waiting(`auth answers as version ${version}, not as ${wanted}; does the image hold that version?`);
  } catch (error) {
    log.debug({ error }, 'auth did not answer the operator');
    return waiting('the pods are ready, and auth does not answer the operator yet');
  }
}

function pinsOf(object: KubeObject): readonly string[] {
  const { caPins = [] } = (object['status'] ?? {}) as { caPins?: readonly string[] };
  return caPins;
}
