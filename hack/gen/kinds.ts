// docs/reference/kinds.md: every kind of resource with its fields, from the schema that also validates it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from '#core/kind.ts';
import { metadataSchema } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { fieldTable } from './fields.ts';
import { generatedFrom, type Page, table } from './page.ts';

const KINDS_FOLDER = join(import.meta.dirname, '..', '..', 'kinds');

export const kindsPage: Page = {
  path: 'docs/reference/kinds.md',
  render: async () => {
    const kinds = [...KINDS].sort((a, b) => (a.name < b.name ? -1 : 1));
    const sections = await Promise.all(kinds.filter((kind) => kind.audience !== 'internal').map(sectionOf));
    const internal = kinds.filter((kind) => kind.audience === 'internal');
    return `${generatedFrom('kinds/*/kind.ts')}

# Resources

A resource is a document with \`kind\`, \`version\`, \`metadata\` and \`spec\`, written as YAML or JSON. \`gatectl get KIND\` reads,
\`gatectl create -f FILE\` writes and \`gatectl rm KIND/NAME\` removes them. An unknown field is an error. A field marked
**secret** is shown only by \`get --with-secrets\`.

## metadata

The same for every kind.

${fieldTable(metadataSchema)}

${sections.join('\n\n')}

## Internal kinds

Kept by the auth service itself; backups hold them, \`gatectl get --with-secrets\` shows them, nobody writes them by hand.

${table(
  ['Kind', 'What it is'],
  internal.map((kind) => [`\`${kind.name}\``, kind.description]),
)}
`;
  },
};

function writtenText({ writtenSubKinds = [] }: Kind): string {
  const names = writtenSubKinds.map((name) => `\`${name}\``).join(', ');
  return names === '' ? '' : ` Those of sub-kind ${names} are written by people.`;
}

async function sectionOf(kind: Kind): Promise<string> {
  const example = await readFile(
    join(KINDS_FOLDER, kind.name.replaceAll('_', '-'), 'example.yaml'),
    'utf8',
  ).catch(() => '');
  const names = [kind.plural, ...kind.aliases].map((name) => `\`${name}\``).join(', ');
  const facts = [
    `Also: ${names}. Versions: ${kind.versions.join(', ')} (without one: ${kind.defaultVersion}).`,
    kind.subKinds.length > 0 ? `Sub-kinds: ${kind.subKinds.map((name) => `\`${name}\``).join(', ')}.` : '',
    kind.singleton === undefined ? '' : `There is one per cluster, named \`${kind.singleton}\`.`,
    kind.audience === 'presence'
      ? `Written by agents about themselves; it expires when they fall silent.${writtenText(kind)}`
      : '',
  ];
  return `## ${kind.name}

${kind.description}

${facts.filter((fact) => fact !== '').join('\n')}

${fieldTable(kind.spec, 'spec.')}${example === '' ? '' : `\n\n\`\`\`yaml\n${example.trimEnd()}\n\`\`\``}`;
}
