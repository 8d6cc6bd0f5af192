// How long a process that was told to end may take to hand over what auth does not have yet. Apart because both the
// services and the process that ends them have to know.
import { apiServerOf } from '#core/pod.ts';

/** Within the thirty seconds that Kubernetes gives a pod. */
const POD_MS = 15_000;

/** Milliseconds. None on a machine: the next process sends what is on its disk. A pod's disk may go with it. */
export const patienceOf = (environment: Readonly<Record<string, string | undefined>>): number =>
  apiServerOf(environment) === undefined ? 0 : POD_MS;
