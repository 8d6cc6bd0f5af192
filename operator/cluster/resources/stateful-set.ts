// The StatefulSets and the ConfigMaps of one revision.
import type { KubeObject } from '../../kube/kube.ts';
import { headlessName, labelsOf, ownerOf, REVISION_LABEL, selectorOf, stepName } from '../names.ts';
import type { ClusterPlan, Revision, Volume } from '../plan.ts';
import type { Step } from '../upgrade.ts';
import { DATA_VOLUME } from './pod.ts';
import { configMapName } from './revision.ts';

/** A container that ends at once must not count as ready. */
const MIN_READY_SECONDS = 5;

/**
 * Pods of an old revision are ended one at a time by ../replace.ts, hence `OnDelete`. `Parallel`, because otherwise a pod
 * that is broken keeps Kubernetes from making those that are missing.
 */
export function statefulSet(plan: ClusterPlan, step: Step, revision: Revision): KubeObject {
  const { key, spec, object, deletesVolumes } = plan;
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: {
      name: stepName(key.name, step),
      namespace: key.namespace,
      labels: { ...labelsOf(key.name, step), [REVISION_LABEL]: revision.name },
      ownerReferences: [ownerOf(object)],
    },
    spec: {
      replicas: spec[step].replicas,
      serviceName: headlessName(key.name, step),
      podManagementPolicy: 'Parallel',
      updateStrategy: { type: 'OnDelete' },
      minReadySeconds: MIN_READY_SECONDS,
      revisionHistoryLimit: 5,
      selector: { matchLabels: selectorOf(key.name, step) },
      template: revision.template,
      ...(step === 'auth'
        ? {
            persistentVolumeClaimRetentionPolicy: {
              whenDeleted: deletesVolumes ? 'Delete' : 'Retain',
              whenScaled: 'Retain',
            },
            volumeClaimTemplates: [volumeClaim(plan)],
          }
        : {}),
    },
  };
}

/** The claim of auth's volume; Kubernetes does not let it be changed later. */
function volumeClaim({ key, volume }: ClusterPlan): KubeObject {
  const { size, storageClassName, accessModes } = volume;
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: { name: DATA_VOLUME, labels: selectorOf(key.name, 'auth') },
    spec: {
      accessModes,
      resources: { requests: { storage: size } },
      ...(storageClassName === undefined ? {} : { storageClassName }),
    },
  };
}

/** What a StatefulSet of auth was made with; undefined when there is none, or it has no claim. */
export function volumeOf(set: KubeObject | undefined): Volume | undefined {
  const { volumeClaimTemplates = [] } = (set?.['spec'] ?? {}) as { volumeClaimTemplates?: Claim[] };
  const { accessModes, storageClassName, resources } = volumeClaimTemplates[0]?.spec ?? {};
  const size = resources?.requests?.storage;
  if (size === undefined || accessModes === undefined) return undefined;
  return { size, accessModes, ...(storageClassName === undefined ? {} : { storageClassName }) };
}

interface Claim {
  readonly spec: {
    readonly accessModes?: Volume['accessModes'];
    readonly storageClassName?: string;
    readonly resources?: { readonly requests?: { readonly storage?: string } };
  };
}

/** The files of a revision. Its name carries the digest, so a revision always finds its own. */
export function configMap(plan: ClusterPlan, step: Step, { name, files }: Revision): KubeObject {
  const { key, object } = plan;
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: configMapName(key.name, step, name),
      namespace: key.namespace,
      labels: { ...labelsOf(key.name, step), [REVISION_LABEL]: name },
      ownerReferences: [ownerOf(object)],
    },
    data: files,
  };
}
