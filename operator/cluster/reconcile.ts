// Brings one GatehouseCluster about: gather, check, build, decide on the next step, apply, tell in the status. What is
// wrong is a condition, and never an error that is tried again and again.
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { CLUSTER } from '../crds/cluster.ts';
import { parseStorageSpec } from '../crds/storage.ts';
import type { Houses } from '../house/houses.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';
import { CLUSTER_ROLE_BINDINGS } from '../kube/object-types.ts';
import type { OperatorContext, Outcome, ReconcileContext } from '../runtime/controller.ts';
import { Newest } from '../runtime/newest.ts';
import { find, isOurs } from './apply.ts';
import { problemsOf, type Problem } from './checks.ts';
import { claimOf, isOfAnother, OPERATOR_ANNOTATION } from './claim.ts';
import { gather, NOT_ANSWERING, type ClusterKey, type Gathering } from './gather.ts';
import { CLUSTER_FINALIZER, delegatorName, PAUSED_ANNOTATION, RETRY_ANNOTATION } from './names.ts';
import type { ClusterPlan, Revisions } from './plan.ts';
import { wantedRevisions } from './resources/revision.ts';
import { volumeOf } from './resources/stateful-set.ts';
import { surroundings } from './resources/surroundings.ts';
import { roll } from './roll.ts';
import { tell, type Done } from './tell.ts';
import { decide, hold, type Decision } from './upgrade.ts';
import { plainVersion } from './versions.ts';
import { applyOwn, type Work } from './work.ts';

export interface ReconcilerOptions {
  readonly context: OperatorContext;
  readonly houses: Pick<Houses, 'connection'>;
  /** Repository of the image when a GatehouseCluster names none. */
  readonly imageRepository: string;
}

/** What is missing may appear without an event that reaches us. */
const LOOK_AGAIN_MS = 30_000;
const STALE_MS = 1_000;
const ASK_AUTH_AGAIN_MS = 3_000;
const DEFAULT_PORT = 443;

export class ClusterReconciler {
  readonly #options: ReconcilerOptions;
  readonly #newest = new Newest();

  constructor(options: ReconcilerOptions) {
    this.#options = options;
  }

  async reconcile(
    { namespace, name }: ObjectKey,
    seen: KubeObject | undefined,
    about: ReconcileContext,
  ): Promise<Outcome> {
    if (seen === undefined) this.#newest.forget({ namespace, name });
    if (seen === undefined || namespace === undefined) return {};
    const object = this.#newest.of(seen);
    const key: ClusterKey = { namespace, name };
    if (this.#isOfAnother(object)) return {};
    try {
      const isGoing = object.metadata.deletionTimestamp !== undefined;
      return isGoing ? await this.#finish(key, object) : await this.#look(key, object, about);
    } catch (error) {
      // The copy that was looked at is older than what is stored: a newer one is on its way.
      if (isCode(error, 'CONDITION_FAILED')) return { again: STALE_MS };
      throw error;
    }
  }

  async #look(key: ClusterKey, object: KubeObject, { log, signal }: ReconcileContext): Promise<Outcome> {
    const { context, houses } = this.#options;
    const isPaused = object.metadata.annotations?.[PAUSED_ANNOTATION] === 'true';
    const current = isPaused ? object : await this.#claimed(key, object);
    const gathering = await gather(key, current, { context, houses, log, signal });
    const problems = problemsOf(gathering.checked);
    const work: Work = { context, key, object: current, gathering, signal };
    const done = isPaused ? { ...standing(gathering), problems: [] } : await this.#bringAbout(work, problems);
    const told = await tell(work, { ...done, isPaused });
    if (told !== undefined) this.#newest.note(told);
    if (isPaused) return {};
    const soon = [
      done.decision.again,
      done.problems.length > 0 ? LOOK_AGAIN_MS : undefined,
      gathering.seen.auth.reason === NOT_ANSWERING ? ASK_AUTH_AGAIN_MS : undefined,
    ].filter((ms) => ms !== undefined);
    return soon.length === 0 ? {} : { again: Math.min(...soon) };
  }

  /** Objects in the namespace go with their owner; what has none goes here. Volumes are the StatefulSet's affair. */
  async #finish(key: ClusterKey, object: KubeObject): Promise<Outcome> {
    const { finalizers = [], resourceVersion } = object.metadata;
    if (!finalizers.includes(CLUSTER_FINALIZER)) return {};
    const { kube } = this.#options.context;
    const binding = await find(kube, CLUSTER_ROLE_BINDINGS, { name: delegatorName(key) });
    if (binding !== undefined && isOurs(binding, CLUSTER_ROLE_BINDINGS, object.metadata.uid ?? '')) {
      await kube.delete(CLUSTER_ROLE_BINDINGS, binding.metadata, { uid: binding.metadata.uid });
    }
    const left = finalizers.filter((finalizer) => finalizer !== CLUSTER_FINALIZER);
    await kube.patch(CLUSTER, key, { metadata: { finalizers: left, resourceVersion } });
    return {};
  }

  /** An event says so once; its status is the other's to write. */
  #isOfAnother(object: KubeObject): boolean {
    const { operator, record } = this.#options.context;
    if (!isOfAnother(object, operator.namespace)) return false;
    record(object, {
      type: 'Warning',
      reason: 'OtherOperator',
      message: `the operator of namespace "${operator.namespace}" leaves this cluster to that of namespace "${claimOf(object) ?? ''}", which the annotation ${OPERATOR_ANNOTATION} names`,
    });
    return true;
  }

  /** Marks the object as this operator's, as long as it is nobody's: of two that try, one is told that it changed. */
  async #claimed(key: ClusterKey, object: KubeObject): Promise<KubeObject> {
    const { finalizers = [], resourceVersion } = object.metadata;
    const { kube, operator } = this.#options.context;
    const isClaimed = claimOf(object) !== undefined;
    if (isClaimed && finalizers.includes(CLUSTER_FINALIZER)) return object;
    const others = finalizers.filter((finalizer) => finalizer !== CLUSTER_FINALIZER);
    const claimed = await kube.patch(CLUSTER, key, {
      metadata: {
        finalizers: [...others, CLUSTER_FINALIZER],
        annotations: { [OPERATOR_ANNOTATION]: operator.namespace },
        resourceVersion,
      },
    });
    this.#newest.note(claimed);
    return claimed;
  }

  async #bringAbout(work: Work, problems: readonly Problem[]): Promise<Done> {
    const { gathering } = work;
    const plan = this.#planOf(work);
    if (plan === undefined || problems.some(({ scope }) => scope === 'spec')) {
      return { ...standing(gathering), problems };
    }
    const wanted = wantedRevisions(plan);
    try {
      for (const object of surroundings(plan)) await applyOwn(work, object);
      const isHeld = problems.length > 0;
      const decision = this.#decide(work, { plan, wanted, isHeld });
      await roll(work, { plan, wanted, decision });
      return { decision, problems, plan, wanted: { auth: wanted.auth.name, proxy: wanted.proxy.name } };
    } catch (error) {
      const problem = problemFrom(error);
      return { ...standing(gathering), problems: [...problems, problem], plan };
    }
  }

  #planOf({ key, object, gathering }: Work): ClusterPlan | undefined {
    const { context, imageRepository } = this.#options;
    const { spec: checked, storage: found, tls } = gathering.checked;
    const storage = found === 'default' ? parseStorageSpec({}) : found;
    if (!checked.ok || storage === 'missing' || !storage.ok) return undefined;
    const spec = checked.value;
    const version = spec.version ?? context.operator.version;
    const { repository = imageRepository, tag = plainVersion(version) } = spec.image;
    const { namespace, serviceAccount } = context.operator;
    return {
      key,
      object,
      spec,
      storage: storage.value,
      volume: volumeOf(gathering.checked.authSet) ?? storage.value.sqlite.volume,
      version,
      image: `${repository}:${tag}`,
      publicAddress: withPort(spec.publicAddress),
      tlsSecret: tls?.name,
      deletesVolumes: object['deletionPolicy'] === 'Delete',
      operatorAccount: `${namespace}:${serviceAccount}`,
      caPins: settledPins(gathering),
    };
  }

  #decide(
    { object, gathering: { memory, seen } }: Work,
    { plan, wanted, isHeld }: { plan: ClusterPlan; wanted: Revisions; isHeld: boolean },
  ): Decision {
    if (isHeld) return hold(memory.rollout, seen);
    const { timeoutSeconds, rollback } = plan.spec.upgrade;
    const { drainSeconds } = plan.spec.proxy;
    const wish = {
      revisions: { auth: wanted.auth.name, proxy: wanted.proxy.name },
      attempt: object.metadata.annotations?.[RETRY_ANNOTATION] ?? '',
      // A proxy that is replaced keeps its place until its sessions have ended.
      timeoutMs: { auth: timeoutSeconds * 1000, proxy: (timeoutSeconds + drainSeconds) * 1000 },
      rollback,
    };
    return decide(memory.rollout, wish, seen, this.#options.context.clock.now());
  }
}

/** Nothing is moved. */
const standing = ({ memory, seen }: Gathering): Pick<Done, 'decision'> => ({
  decision: hold(memory.rollout, seen),
});

/** What the API server does not take is a condition; that it does not answer is an error, and tried again. */
function problemFrom(error: unknown): Problem {
  const because = (reason: string, message: string): Problem => ({ reason, message, scope: 'rollout' });
  if (isCode(error, 'ALREADY_EXISTS')) return because('NameTaken', error.message);
  if (isCode(error, 'INVALID_RESOURCE', 'BAD_REQUEST', 'TOO_LARGE')) {
    return because('Refused', `the API server refuses what the spec asks for: ${error.message}`);
  }
  if (isCode(error, 'ACCESS_DENIED')) {
    return because('Forbidden', `the operator may not do this: ${error.message}`);
  }
  if (isCode(error, 'NOT_FOUND')) {
    return because(
      'TypeMissing',
      `the API server does not know a type that is needed (is cert-manager installed?): ${error.message}`,
    );
  }
  throw error instanceof GatehouseError
    ? error
    : new GatehouseError('INTERNAL', 'a cluster could not be built', { cause: error });
}

/** The pins that the proxies have already are kept as long as one of them is right: a new file would roll them. */
function settledPins({ memory, caPins }: Gathering): readonly string[] {
  const isStillRight = memory.caPins.some((pin) => caPins.includes(pin));
  return isStillRight || caPins.length === 0 ? memory.caPins : caPins;
}

const withPort = (address: string): string =>
  /:\d+$/.test(address) ? address : `${address}:${DEFAULT_PORT}`;
