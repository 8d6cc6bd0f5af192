// What can be wrong with a GatehouseCluster and what it refers to. Ordered pure checks; each problem becomes a condition
// with a reason for programs and a message that says what to do.
import { formatProblem, type Checked } from '#core/schema/check.ts';
import type { ClusterSpec } from '../crds/cluster.ts';
import { parseStorageSpec, type StorageSpec } from '../crds/storage.ts';
import type { KubeObject } from '../kube/kube.ts';
import { storageProblem } from '../storage/checks.ts';
import { MAX_CLUSTER_NAME, stepName } from './names.ts';
import { overlayProblems } from './overlay.ts';
import type { Volume } from './plan.ts';
import { volumeOf } from './resources/stateful-set.ts';
import { STEPS, type Step } from './upgrade.ts';
import { versionProblem } from './versions.ts';
import { volumeProblems } from './volumes.ts';

export interface Problem {
  /** In CamelCase, for programs. */
  readonly reason: string;
  readonly message: string;
  /** `spec`: nothing can be made from it. `rollout`: what runs stays as it is; the rest is brought up to date. */
  readonly scope: 'spec' | 'rollout';
}

/** What the checks look at; nothing of it is changed. */
export interface Gathered {
  readonly object: KubeObject;
  readonly spec: Checked<ClusterSpec>;
  /** Of the GatehouseStorage that is referred to; `missing` when there is none of that name. */
  readonly storage: Checked<StorageSpec> | 'missing' | 'default';
  /** The Secret for the public address: its keys, or that it is missing; undefined when none is asked for. */
  readonly tls?: { readonly name: string; readonly keys: readonly string[] | 'missing' } | undefined;
  readonly authSet?: KubeObject | undefined;
  readonly operatorVersion: string;
  /** What auth last served with. */
  readonly runningVersion?: string | undefined;
}

type Check = (gathered: Gathered, spec: ClusterSpec) => Problem | undefined;

/** In the order in which a person should mend them. */
const CHECKS: readonly Check[] = [
  nameFits,
  addressIsOne,
  overlaysFit,
  volumesAreHarmless,
  storageIsThere,
  replicasShareTheirStore,
  volumeIsAsItWas,
  versionFollows,
  certificateIsThere,
];

/** All problems, the most basic first; none means that everything can be brought about. */
export function problemsOf(gathered: Gathered): readonly Problem[] {
  const { spec } = gathered;
  if (!spec.ok) {
    const found = spec.problems.map(({ path, message }) =>
      formatProblem({ path: ['spec', ...path], message }),
    );
    return [{ reason: 'InvalidSpec', message: found.join('; '), scope: 'spec' }];
  }
  return CHECKS.map((check) => check(gathered, spec.value)).filter((problem) => problem !== undefined);
}

function nameFits({ object }: Gathered): Problem | undefined {
  const { name } = object.metadata;
  const isLabel = /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name);
  if (isLabel && name.length <= MAX_CLUSTER_NAME) return undefined;
  return bad(
    'InvalidName',
    `metadata.name: names of Services are made from it, so it must have at most ${MAX_CLUSTER_NAME} lower case letters, digits and "-", and begin with a letter; make a GatehouseCluster of another name`,
  );
}

const HOST = /^(?:\[[0-9a-fA-F:]{2,45}\]|[-.A-Za-z0-9]{1,253})(?::(\d{1,5}))?$/;

function addressIsOne(_: Gathered, { publicAddress }: ClusterSpec): Problem | undefined {
  const [all, port] = HOST.exec(publicAddress) ?? [];
  if (all !== undefined && (port === undefined || (Number(port) > 0 && Number(port) <= 65_535)))
    return undefined;
  return bad(
    'InvalidAddress',
    'spec.publicAddress: must be a host, or host:port, such as gate.example.com:443, without a scheme',
  );
}

function overlaysFit(_: Gathered, spec: ClusterSpec): Problem | undefined {
  const found = STEPS.flatMap((step) => overlayProblems(step, spec[step].config));
  if (found.length === 0) return undefined;
  return bad('InvalidConfig', found.map(({ path, message }) => `${path}: ${message}`).join('; '));
}

function volumesAreHarmless(_: Gathered, spec: ClusterSpec): Problem | undefined {
  const found = STEPS.flatMap((step: Step) =>
    volumeProblems(`spec.${step}`, spec[step].extraVolumes ?? [], spec[step].extraVolumeMounts ?? []),
  );
  return found.length === 0 ? undefined : bad('InvalidVolumes', found.join('; '));
}

function storageIsThere({ storage }: Gathered, { storageRef }: ClusterSpec): Problem | undefined {
  const about = `spec.storageRef: the GatehouseStorage "${storageRef?.name}"`;
  if (storage === 'default') return undefined;
  if (storage === 'missing') return bad('StorageNotFound', `${about} is not in this namespace; make it`);
  const problem = storageProblem(storage);
  return problem === undefined ? undefined : bad(problem.reason, `${about}: ${problem.message}`);
}

function replicasShareTheirStore(_: Gathered, { auth }: ClusterSpec): Problem | undefined {
  if (auth.replicas <= 1) return undefined;
  return bad(
    'SharedStoreNeeded',
    `spec.auth.replicas: ${auth.replicas} auth servers need a store that they can share, and sqlite is for one; set it to 1`,
  );
}

function volumeIsAsItWas({ object, storage, authSet }: Gathered): Problem | undefined {
  const is = volumeOf(authSet);
  const checked = storage === 'default' ? parseStorageSpec({}) : storage;
  if (is === undefined || checked === 'missing' || !checked.ok) return undefined;
  const { volume } = checked.value.sqlite;
  if (wordsOf(is) === wordsOf(volume)) return undefined;
  return held(
    'VolumeCannotChange',
    `the volume of ${stepName(object.metadata.name, 'auth')} was made as ${wordsOf(is)}, and the storage asks for ${wordsOf(volume)}: Kubernetes does not change it in place; put the old values back, or move to a new GatehouseCluster by a backup`,
  );
}

const wordsOf = ({ size, accessModes, storageClassName }: Volume): string =>
  [size, ...accessModes, ...(storageClassName === undefined ? [] : [`class ${storageClassName}`])].join(', ');

function versionFollows(
  { operatorVersion, runningVersion }: Gathered,
  spec: ClusterSpec,
): Problem | undefined {
  return versionProblem(spec.version ?? operatorVersion, operatorVersion, runningVersion);
}

function certificateIsThere({ tls }: Gathered, { proxy }: ClusterSpec): Problem | undefined {
  const { secretName, certManager } = proxy.tls ?? {};
  if (secretName !== undefined && certManager !== undefined) {
    return bad('InvalidSpec', 'spec.proxy.tls: give secretName or certManager, not both');
  }
  if (tls === undefined) return undefined;
  if (tls.keys === 'missing') {
    return certManager === undefined
      ? held(
          'TlsSecretNotFound',
          `spec.proxy.tls.secretName: there is no Secret "${tls.name}" in this namespace; make it with tls.crt and tls.key`,
        )
      : held(
          'CertificateNotReady',
          `waiting for cert-manager to write the Secret "${tls.name}"; see its Certificate`,
        );
  }
  const { keys } = tls;
  const lacks = ['tls.crt', 'tls.key'].filter((key) => !keys.includes(key));
  if (lacks.length === 0) return undefined;
  return held(
    'TlsSecretInvalid',
    `the Secret "${tls.name}" has no ${lacks.join(' and no ')}; it must be of type kubernetes.io/tls`,
  );
}

const bad = (reason: string, message: string): Problem => ({ reason, message, scope: 'spec' });
const held = (reason: string, message: string): Problem => ({ reason, message, scope: 'rollout' });
