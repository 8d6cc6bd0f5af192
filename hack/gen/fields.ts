// A schema as a table of its fields: path, type, default, meaning. Shared by the pages on kinds and on the config file.
import { hasDefault, isOptional, type Node, type Schema } from '#core/schema/schema.ts';
import { table } from './page.ts';

/** `prefix` ends in a dot and stands before each path. */
export function fieldTable(schema: Schema<unknown>, prefix = ''): string {
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
