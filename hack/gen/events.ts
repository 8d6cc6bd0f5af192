// docs/reference/events.md: every audit event and every field, for people who search the log and for a SIEM.
import { CATALOGUE } from '#events/catalogue.ts';
import { type EventSpec, FIELDS, type FieldSpec } from '#events/fields.ts';
import { generatedFrom, type Page, table } from './page.ts';

export const eventsPage: Page = {
  path: 'docs/reference/events.md',
  render: () => {
    const events: [string, EventSpec][] = Object.entries(CATALOGUE);
    const fields: [string, FieldSpec][] = Object.entries(FIELDS);
    const list = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(', ');
    const rows = events
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([type, { codes, meaning, fields: always, optional }]) => [
        `\`${type}\``,
        [codes.ok, codes.failed].filter((code) => code !== undefined).join(', '),
        meaning,
        list(always),
        list(optional),
      ]);
    return `${generatedFrom('events/catalogue*.ts and events/fields.ts')}

# Audit events

One line of JSON each. Every event also has \`event\` (its type), \`code\`, \`uid\`, \`time\`, \`ei\`, \`cluster_name\` and the chain:
\`writer\`, \`seq\`, \`prev\`, \`hash\`. Where a type has two codes, the second says that it failed (\`success\` is false).

## Types

${table(['Type', 'Code', 'Meaning', 'Always has', 'May have'], rows)}

## Fields

${table(
  ['Field', 'Type', 'Meaning'],
  fields
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => [`\`${name}\``, field.type, field.meaning]),
)}
`;
  },
};
