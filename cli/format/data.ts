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
  // Escapes are read in double quotes only; and a tab that is none cannot be told from spaces.
  visit(document, {
    Scalar(_key, node) {
      if (
        isScalar(node) &&
        typeof node.value === 'string' &&
        (hasRisky(node.value) || node.value.includes('\t'))
      )
        node.type = 'QUOTE_DOUBLE';
    },
  });
  return escapeRisky(document.toString({ lineWidth: 0, nullStr: 'null' }));
}

/** Resources as `gatectl create` and `gatehouse start --bootstrap` read them. */
export function formatResources(resources: readonly Resource[], format: 'yaml' | 'json'): string {
  const text = formatDocuments(resources, format);
  if (format === 'json') return escapeRisky(text);
  return hasRisky(text) ? resources.map(formatYaml).join('---\n') : text;
}
