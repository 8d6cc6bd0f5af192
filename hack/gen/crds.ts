// crds/*.yaml, and the same for the chart of the operator. Helm never upgrades its folder crds/, so there they are templates
// that an uninstall leaves alone.
import { stringify } from 'yaml';
import type { CrdManifest } from '#operator/crds/crd.ts';
import { CRDS } from '#operator/crds/own.ts';
import type { Page } from './page.ts';

const HEAD = '# Generated from operator/crds and kinds/*/kind.ts by "make gen"; edit those instead.\n';

export const crdPages: readonly Page[] = CRDS.flatMap((crd) => [
  { path: `crds/${crd.metadata.name}.yaml`, render: () => HEAD + yamlOf(crd) },
  {
    path: `charts/gatehouse-operator/templates/crds/${crd.metadata.name}.yaml`,
    render: () => `{{- if .Values.crds.install }}\n${HEAD}${escaped(yamlOf(kept(crd)))}{{- end }}\n`,
  },
]);

/** YAML 1.1, as Kubernetes reads it: there an `off` without quotes is a boolean. */
const yamlOf = (crd: CrdManifest): string =>
  stringify(crd, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false });

const kept = (crd: CrdManifest): CrdManifest => ({
  ...crd,
  metadata: {
    ...crd.metadata,
    annotations: { 'helm.sh/resource-policy': 'keep' },
  },
});

/** Descriptions speak of {{variables}}, which are none of Helm's. */
const escaped = (text: string): string => text.replaceAll('{{', '{{ "{{" }}');
