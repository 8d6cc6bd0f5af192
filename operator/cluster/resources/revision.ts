// Revisions: what the pods of a step are made from, named by its digest. What does not touch pods (replicas, services)
// is in none, so that changing it rolls nothing.
import { createHash } from 'node:crypto';
import { stepName } from '../names.ts';
import type { ClusterPlan, Revision, Revisions } from '../plan.ts';
import type { Step } from '../upgrade.ts';
import { authFiles, proxyFiles } from './files.ts';
import { podTemplate } from './pod.ts';

/** Hex digits of a revision's name; they are the end of the name of its ConfigMap. */
const DIGITS = 10;

export const configMapName = (cluster: string, step: Step, revision: string): string =>
  `${stepName(cluster, step)}-${revision}`;

/** What the plan asks for. */
export function wantedRevisions(plan: ClusterPlan): Revisions {
  return {
    auth: revision(plan, 'auth', authFiles(plan)),
    proxy: revision(plan, 'proxy', proxyFiles(plan)),
  };
}

function revision(plan: ClusterPlan, step: Step, files: Revision['files']): Revision {
  const name = digestOf({ files, template: podTemplate(plan, step, '', '') }).slice(0, DIGITS);
  const template = podTemplate(plan, step, name, configMapName(plan.key.name, step, name));
  return { name, version: plan.version, template, files };
}

/** SHA-256 in hex of a JSON value; the order of keys does not matter. */
export function digestOf(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, below]) => below !== undefined);
  return Object.fromEntries(
    entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, below]) => [key, sorted(below)]),
  );
}
