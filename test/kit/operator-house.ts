// Mirrors at work for tests: operators with their runtime on one API server (the fake, unless another is given), members of
// real auth services in this process.
import { mirrorControllers } from '#operator/mirror/controller.ts';
import { openHouses, type Houses } from '#operator/house/houses.ts';
import type { Proof } from '#operator/house/house.ts';
import { AUTH_PORT, labelsOf, ownerOf, stepName } from '#operator/cluster/names.ts';
import { houseController } from '#operator/house/controller.ts';
import { CLUSTER } from '#operator/crds/cluster.ts';
import { MIRRORS } from '#operator/crds/mirror.ts';
import { openFakeKube, type FakeKube } from '#operator/kube/fake.ts';
import type { Kube, KubeObject, ObjectKey, ObjectType } from '#operator/kube/kube.ts';
import type { Controller } from '#operator/runtime/controller.ts';
import { openRuntime, type Runtime } from '#operator/runtime/run.ts';
import { systemClock } from '#core/clock.ts';
import { isCode } from '#core/errors/error.ts';
import type { Kind } from '#core/kind.ts';
import { silentLog, type Log } from '#core/log.ts';
import { Registry } from '#core/metrics/registry.ts';
import { Secret } from '#core/secret.ts';
import { startTestAuth, type TestAuth } from './auth-server.ts';

export const OPERATOR_TOKEN = 'operator-join-token-1';
export const NAMESPACE = 'prod';

export const fakeKube = (): FakeKube =>
  openFakeKube({ clock: systemClock, types: [CLUSTER, ...MIRRORS.map(({ type }) => type)] });

/** An auth service that operators can join; the caller closes it. */
export async function startAuthForOperators(clusterName?: string): Promise<TestAuth> {
  const auth = await startTestAuth(clusterName === undefined ? {} : { clusterName });
  await auth.put('token', OPERATOR_TOKEN, { roles: ['operator'] });
  return auth;
}

export interface OperatorUnderTest {
  readonly runtime: Runtime;
  readonly houses: Houses;
  close(): Promise<void>;
}

export interface OperatorOptions {
  readonly kube: Kube;
  /** `host:port` of the auth service of a GatehouseCluster. */
  readonly addressOf: (key: ObjectKey) => string;
  /** Which operator it is; default `op-1`. */
  readonly id?: string;
  readonly log?: Log;
  /** How it joins; default: with a token that `startAuthForOperators` knows. */
  readonly proof?: (key: ObjectKey) => Proof;
}

/** Resolves when the controllers are at work; the caller closes it. */
export async function startOperatorUnderTest(options: OperatorOptions): Promise<OperatorUnderTest> {
  const { kube, addressOf, id = 'op-1', log = silentLog } = options;
  const operator = { id, namespace: 'operators', serviceAccount: 'operator', version: '0.1.0' };
  const runtime = openRuntime({ kube, clock: systemClock, log, metrics: new Registry(), operator });
  const houses = openHouses({
    kinds: MIRRORS.map(({ kind }) => kind),
    proof: options.proof ?? (() => ({ token: new Secret(OPERATOR_TOKEN) })),
    addressOf,
    nodeName: id,
    clock: systemClock,
    log,
  });
  await runtime.start([
    serviceMaker(kube),
    houseController(runtime.context, houses),
    ...mirrorControllers(runtime.context, houses),
  ]);
  return {
    runtime,
    houses,
    async close() {
      await runtime.close();
      await houses.close();
    },
  };
}

/** What the reconciler of clusters does first, and the house waits for: the Service of auth, where nobody has that name. */
function serviceMaker(kube: Kube): Controller {
  return {
    name: 'service-maker',
    type: CLUSTER,
    async reconcile(key, cluster) {
      if (cluster === undefined) return {};
      const name = stepName(key.name, 'auth');
      const ownerReferences = [ownerOf(cluster)];
      const metadata = {
        name,
        namespace: key.namespace ?? '',
        labels: labelsOf(key.name, 'auth'),
        ownerReferences,
      };
      const spec = { ports: [{ name: 'auth', port: AUTH_PORT }] };
      await kube.create({ apiVersion: 'v1', kind: 'Service', metadata, spec }).catch((error: unknown) => {
        if (!isCode(error, 'ALREADY_EXISTS')) throw error;
      });
      return {};
    },
  };
}

export const addressOfAuth = (auth: TestAuth): string => new URL(auth.url).host;

export function clusterObject(name: string, namespace = NAMESPACE): KubeObject {
  return object(
    CLUSTER,
    name,
    { spec: { clusterName: 'test.example.com', publicAddress: 'x:443' } },
    { namespace },
  );
}

export const mirrorType = (kind: Kind | string): ObjectType => {
  const name = typeof kind === 'string' ? kind : kind.name;
  const found = MIRRORS.find((mirror) => mirror.kind.name === name);
  if (found === undefined) throw new Error(`no mirror of ${name}`);
  return found.type;
};

/** A custom resource that stands for a resource of the kind; `fields` are those beside the metadata. */
export const mirrorObject = (kind: string, name: string, fields: object, metadata: object = {}): KubeObject =>
  object(mirrorType(kind), name, fields, { namespace: NAMESPACE, ...metadata });

function object(type: ObjectType, name: string, fields: object, metadata: object): KubeObject {
  return {
    apiVersion: `${type.group}/${type.version}`,
    kind: type.kind,
    metadata: { name, ...metadata },
    ...fields,
  };
}

/** `Ready=True Applied`, `Ready=False Conflict Conflict=True Conflict …`; undefined without a status. */
export function conditionsOf(found: KubeObject | undefined): string | undefined {
  const { conditions } = (found?.['status'] ?? {}) as {
    conditions?: readonly { type: string; status: string; reason: string; message: string }[];
  };
  return conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`).join(', ');
}

export function messageOf(found: KubeObject | undefined): string {
  const { conditions } = (found?.['status'] ?? {}) as { conditions?: readonly { message: string }[] };
  return conditions?.[0]?.message ?? '';
}
