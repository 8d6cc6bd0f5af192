// docs/reference/events.md: every audit event and every field, for people who search the log and for a SIEM.
import { describeCatalogue, ENVELOPE_FIELDS } from '#events/catalogue.ts';
import { FIELDS, type FieldSpec } from '#events/fields.ts';
import { generatedFrom, type Page, table } from './page.ts';

export const eventsPage: Page = {
  path: 'docs/reference/events.md',
  render: () => {
    const rows = describeCatalogue()
      .toSorted((a, b) => (a.type < b.type ? -1 : 1))
      .map(({ type, codes, meaning, fields }) => {
        const list = (optional: boolean): string =>
          fields
            .filter((field) => field.optional === optional)
            .map(({ name }) => `\`${name}\``)
            .join(', ');
        return [`\`${type}\``, codes.join(', '), meaning, list(false), list(true)];
      });
    return `${generatedFrom('events/catalogue*.ts and events/fields.ts')}

# Audit events

One line of JSON each. Where a type has two codes, the second says that it failed (\`success\` is false).

## Of every event

${fieldTable(Object.entries(ENVELOPE_FIELDS))}

## Types

${table(['Type', 'Code', 'Meaning', 'Always has', 'May have'], rows)}

## Fields

${fieldTable(Object.entries(FIELDS).sort(([a], [b]) => (a < b ? -1 : 1)))}
`;
  },
};

function fieldTable(fields: readonly (readonly [string, FieldSpec])[]): string {
  return table(
    ['Field', 'Type', 'Meaning'],
    fields.map(([name, field]) => [`\`${name}\``, field.type, field.meaning]),
  );
}
