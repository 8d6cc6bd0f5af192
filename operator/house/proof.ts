// How the operator proves itself to a cluster: by a token of its own ServiceAccount that is made for this attempt and for
// this GatehouseCluster alone, so that whoever is shown it can use it nowhere else.
import type { JoinOptions } from '#client/join.ts';
import { operatorTokenName } from '../cluster/names.ts';
import type { Kube, ObjectKey } from '../kube/kube.ts';
import { operatorAudience } from './audience.ts';

/** The API server gives no less. */
const LIFE_SECONDS = 600;

export interface ProofOptions {
  readonly kube: Pick<Kube, 'requestToken'>;
  /** The operator's own. */
  readonly serviceAccount: ObjectKey;
  /** The pod that the operator runs in: auth takes only tokens that are bound to one. */
  readonly podName: string | undefined;
}

/** What of JoinOptions says so, for the cluster that this GatehouseCluster makes. */
export function serviceAccountProof(options: ProofOptions, cluster: ObjectKey): Pick<JoinOptions, 'prove'> {
  const { kube, serviceAccount, podName } = options;
  const request = { audience: operatorAudience(cluster), lifeSeconds: LIFE_SECONDS, podName };
  return {
    prove: async () => ({
      method: 'kubernetes',
      token: operatorTokenName(cluster.name),
      idToken: await kube.requestToken(serviceAccount, request),
    }),
  };
}
