// docs/reference/custom-resources.md: what people write in Kubernetes, from the schemas of the definitions in crds/.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import * as s from '#core/schema/schema.ts';
import { parseDocuments } from '#kinds/documents.ts';
import { CLUSTER, clusterSpec, clusterStatus } from '#operator/crds/cluster.ts';
import { MIRRORS, mirrorFields, mirrorStatus, NOT_MIRRORED, type Mirror } from '#operator/crds/mirror.ts';
import { CRDS } from '#operator/crds/own.ts';
import { STORAGE, storageSpec, storageStatus } from '#operator/crds/storage.ts';
import { asMirror } from '#test/kit/mirrors.ts';
import { fieldTable } from './fields.ts';
import { generatedFrom, type Page, table } from './page.ts';

const KINDS_FOLDER = join(import.meta.dirname, '..', '..', 'kinds');

export const customResourcesPage: Page = {
  path: 'docs/reference/custom-resources.md',
  render: async () => `${generatedFrom('operator/crds/*.ts and kinds/*/kind.ts')}

# Custom resources

The operator takes these resources of \`gatehouse.dev/v1\`; their definitions are in \`crds/\`. All live in a namespace and refer to
objects of their own namespace only. \`kubectl get gatehouse\` lists them all.

${table(['Kind', 'Plural', 'Short names', 'What it is'], CRDS.map(rowOf))}

Every \`status\` has \`observedGeneration\` and \`conditions\` (\`Ready\`, \`Progressing\`, \`Conflict\`, \`Stalled\`), each with a reason and a
message; \`observedGeneration: 0\` says that no operator has looked at the object yet. The annotation \`gatehouse.dev/paused: "true"\`
makes the operator leave an object alone. On a \`GatehouseCluster\`, \`gatehouse.dev/operator\` names the namespace of the operator that has it.

## ${CLUSTER.kind}

Beside \`spec\`: \`deletionPolicy\` is \`Retain\` (the default: the volumes with the state stay when the object goes) or \`Delete\`.
\`spec.clusterName\` cannot be changed. \`spec.proxy.tls\` takes exactly one of \`secretName\` and \`certManager\`.

${fieldTable(clusterSpec, 'spec.')}

${fieldTable(s.object(clusterStatus), 'status.')}

## ${STORAGE.kind}

\`\`\`yaml
apiVersion: gatehouse.dev/v1
kind: GatehouseStorage
metadata:
  name: main
spec:
  type: sqlite
  sqlite:
    volume:
      size: 20Gi
\`\`\`

${fieldTable(storageSpec, 'spec.')}

${fieldTable(s.object(storageStatus), 'status.')}

## Mirrors

A mirror stands for one resource of a cluster. Its \`spec\` is that of the resource, as in [Resources](kinds.md) and in files of
\`gatectl\`: one value may stand for a list of one there too. The API server knows the fields and most of their rules; what it
cannot know, such as a role that does not exist, is in the condition \`Ready\`, with the path of the field.

The resource has the name of the object, or that of \`resourceName\`. Labels of the object without a domain in their key
become its labels, and the annotation \`gatehouse.dev/description\` its description. A field that is marked **secret** is an object
\`secretKeyRef: {name, key}\` that says in which Secret of the namespace the value is kept.

Kinds without a mirror:

${table(
  ['Kind', 'Why'],
  Object.entries(NOT_MIRRORED).map(([name, why]) => [`\`${name}\``, why]),
)}

The \`status\` of a mirror, beside the conditions:

${fieldTable(s.object(mirrorStatus), 'status.')}

${(await Promise.all(MIRRORS.map(sectionOf))).join('\n\n')}
`,
};

function rowOf(crd: (typeof CRDS)[number]): string[] {
  const { kind, plural, shortNames } = crd.spec.names;
  const [version] = crd.spec.versions;
  return [
    `\`${kind}\``,
    `\`${plural}\``,
    shortNames.map((name) => `\`${name}\``).join(', '),
    version?.schema.openAPIV3Schema.description ?? '',
  ];
}

async function sectionOf(mirror: Mirror): Promise<string> {
  const { kind, type } = mirror;
  const file = join(KINDS_FOLDER, kind.name.replaceAll('_', '-'), 'example.yaml');
  const examples = parseDocuments(await readFile(file, 'utf8'), { kinds: [kind], source: file });
  const documents = examples.map((example) =>
    stringify(asMirror(mirror, example), { version: '1.1', lineWidth: 0 }),
  );
  const only =
    kind.singleton === undefined
      ? ''
      : ` There is one per cluster; the name of the object is yours to choose.`;
  return `### ${type.kind}

\`spec\` as of [${kind.name}](kinds.md#${kind.name}).${only}

${fieldTable(s.object(mirrorFields(kind)))}

\`\`\`yaml
${documents.join('---\n').trimEnd()}
\`\`\``;
}
