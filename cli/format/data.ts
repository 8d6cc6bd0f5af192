// Values as JSON and YAML that programs read back unchanged and terminals take no harm from: risky characters are
// always written as escapes, which both formats know.
import { Document, isScalar, visit } from 'yaml';
import type { Resource } from '#core/resource.ts';
import { formatDocuments } from '#kinds/documents.ts';
import { escapeRisky, hasRisky } from './text.ts';

/** Ends in a line break. */
export function formatJson(value: unknown): string {
  return `${escapeRisky(JSON.stringify(value, null, 2))}\n`;
}

/** Ends in a line break. */
export function formatYaml(value: unknown): string {
  const document = new Document(value, { aliasDuplicateObjects: false, compat: 'yaml-1.1' });
  visit(document, {
    Scalar(_key, node) {
      if (isScalar(node) && typeof node.value === 'string' && needsQuotes(node.value))
        node.type = 'QUOTE_DOUBLE';
    },
  });
  return escapeRisky(document.toString({ lineWidth: 0, nullStr: 'null' }));
}

/** Escapes are read in double quotes only; tabs look like spaces; and lines of spaces do not come back from a block. */
function needsQuotes(text: string): boolean {
  return hasRisky(text) || /\t|^\s[^]*\n|\n[^\S\n]+(?:\n|$)/.test(text);
}

function someText(value: unknown, test: (text: string) => boolean): boolean {
  if (typeof value === 'string') return test(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.entries(value).some(([key, item]) => test(key) || someText(item, test));
}

/** Resources as `gatectl create` and `gatehouse start --bootstrap` read them. */
export function formatResources(resources: readonly Resource[], format: 'yaml' | 'json'): string {
  const text = formatDocuments(resources, format);
  if (format === 'json') return escapeRisky(text);
  return someText(resources, needsQuotes) ? resources.map(formatYaml).join('---\n') : text;
}
