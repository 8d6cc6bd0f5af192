// Revisions: what the pods of a step are made from, named by its digest. What does not touch pods (replicas, services)
// is in none, so that changing it rolls nothing.
import { createHash } from 'node:crypto';
import { REVISION_LABEL, stepName } from '../names.ts';
import type { ClusterPlan, Revision, Revisions } from '../plan.ts';
import type { Step } from '../upgrade.ts';
import { authFiles, proxyFiles } from './files.ts';
import { CONFIG_VOLUME, podTemplate } from './pod.ts';

/**
 * Hex digits of a revision's name; they are the end of the name of its ConfigMap. So many that nobody finds other content
 * of the same name: what is remembered is believed by it.
 */
const DIGITS = 20;

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
  const template = podTemplate(plan, step, '', '');
  const name = nameOf(template, files);
  return {
    name,
    version: plan.version,
    template: named(template, name, configMapName(plan.key.name, step, name)),
    files,
  };
}

/** Whether it is what its name says, so that nobody has changed it since it was made. */
export function isTrueToName({ name, template, files }: Revision, cluster: string, step: Step): boolean {
  const again = named(template, name, configMapName(cluster, step, name));
  return nameOf(named(template, '', ''), files) === name && digestOf(again) === digestOf(template);
}

const nameOf = (unnamed: Revision['template'], files: Revision['files']): string =>
  digestOf({ files, template: unnamed }).slice(0, DIGITS);

interface Template {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: { readonly volumes: readonly { readonly name: string }[] };
}

/** The template under another name of revision and ConfigMap. */
function named(template: Revision['template'], revision: string, configMap: string): Revision['template'] {
  const { metadata, spec } = template as unknown as Template;
  const volumes = spec.volumes.map((volume) =>
    volume.name === CONFIG_VOLUME ? { name: CONFIG_VOLUME, configMap: { name: configMap } } : volume,
  );
  return {
    ...template,
    metadata: { ...metadata, labels: { ...metadata.labels, [REVISION_LABEL]: revision } },
    spec: { ...spec, volumes },
  };
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
