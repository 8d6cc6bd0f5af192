// docs/reference/config.md: every key of the config file, from the schema that also checks it.
import { fileSchema } from '#config/file.ts';
import { sampleConfig } from '#config/sample.ts';
import { LATER_SERVICES } from '#config/sections/services.ts';
import type { Schema } from '#core/schema/schema.ts';
import { fieldTable } from './fields.ts';
import { generatedFrom, type Page } from './page.ts';

export const configPage: Page = {
  path: 'docs/reference/config.md',
  render: () => {
    const { node } = fileSchema;
    const sections = node.type === 'object' ? Object.entries(node.fields) : [];
    return `${generatedFrom('config/sections/*.ts')}

# The config file

Read from the file that \`--config\` or \`GATEHOUSE_CONFIG_FILE\` names, else /etc/gatehouse.yaml, else /etc/teleport.yaml.
All keys may be left out. An unknown key is refused, with its line. The first section may also be called \`teleport:\`.
Switches take yes, no, true, false, on and off; durations are written as 30s, 5m or 1h30m; addresses as host, host:port
or [IPv6]:port.

\`version\` is v1, v2 or v3; they are read alike.

${sections
  .filter(([name]) => name !== 'version')
  .map(([name, schema]) => sectionOf(name, schema))
  .join('\n\n')}

## A sample

\`\`\`yaml
${sampleConfig({ nodename: 'turing' }).trimEnd()}
\`\`\`
`;
  },
};

function sectionOf(name: string, schema: Schema<unknown>): string {
  if (!Object.hasOwn(LATER_SERVICES, name)) return `## ${name}\n\n${fieldTable(schema)}`;
  const keys = schema.node.type === 'object' ? Object.keys(schema.node.fields) : [];
  return `## ${name}

Not part of this release: its keys are checked, and the section is ignored with a notice at start.

Keys: ${keys.map((key) => `\`${key}\``).join(', ')}.`;
}
