// docs/reference/kinds.md: every kind of resource with its fields, from the schema that also validates it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Kind } from '#core/kind.ts';
import { metadataSchema } from '#core/resource.ts';
import { hasDefault, isOptional, type Node, type Schema } from '#core/schema/schema.ts';
import { KINDS } from '#kinds/all.ts';
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
      ? 'Written by agents about themselves; it expires when they fall silent.'
      : '',
  ];
  return `## ${kind.name}

${kind.description}

${facts.filter((fact) => fact !== '').join('\n')}

${fieldTable(kind.spec, 'spec.')}${example === '' ? '' : `\n\n\`\`\`yaml\n${example.trimEnd()}\n\`\`\``}`;
}

function fieldTable(schema: Schema<unknown>, prefix = ''): string {
  const rows = rowsOf(schema, prefix);
  return rows.length === 0 ? 'It has no fields.' : table(['Field', 'Type', 'Default', 'Meaning'], rows);
}

function rowsOf(schema: Schema<unknown>, prefix: string): string[][] {
  const { node } = schema;
  if (node.type === 'object') {
    return Object.entries(node.fields).flatMap(([name, field]) => [
      [`\`${prefix}${name}\``, typeOf(field.node), defaultOf(field), meaningOf(field)],
      ...rowsOf(field, `${prefix}${name}.`),
    ]);
  }
  if (node.type === 'list') return rowsOf(node.item, `${prefix.slice(0, -1)}[].`);
  if (node.type === 'map') return rowsOf(node.value, `${prefix}*.`);
  if (node.type === 'choice') return node.options.flatMap((option) => rowsOf(option, prefix));
  return [];
}

function typeOf(node: Node): string {
  switch (node.type) {
    case 'enum':
      return node.values.map((value) => (value === '' ? '""' : value)).join(' / ');
    case 'list':
      return `list of ${typeOf(node.item.node)}${node.single ? ', or one' : ''}`;
    case 'map':
      return `map to ${typeOf(node.value.node)}`;
    case 'choice':
      return node.options.map((option) => typeOf(option.node)).join(' or ');
    case 'json':
      return 'anything';
    case 'string':
    case 'boolean':
    case 'integer':
    case 'duration':
    case 'timestamp':
    case 'object':
      return node.type;
  }
}

function defaultOf(schema: Schema<unknown>): string {
  if (hasDefault(schema)) return `\`${JSON.stringify(schema.fallback)}\``;
  return isOptional(schema) ? '' : 'required';
}

function meaningOf(schema: Schema<unknown>): string {
  const must =
    schema.node.type === 'string' && schema.node.format !== undefined
      ? `Must be ${schema.node.format.says}.`
      : '';
  return [schema.secret ? '**secret**' : '', schema.description, must]
    .filter((part) => part !== '')
    .join(' ');
}
