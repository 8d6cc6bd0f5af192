// docs/reference/cli.md: every command and flag, from the tables that also parse them.
import {
  isGroup,
  type Command,
  type Entry,
  type Flags,
  type Positional,
  type Program,
} from '#cli/arguments.ts';
import { gate } from '#cli/commands/gate/program.ts';
import { gatectl } from '#cli/commands/gatectl/program.ts';
import { gatehouse } from '#cli/commands/gatehouse/program.ts';
import { flagTitle, usageLine } from '#cli/help.ts';
import { generatedFrom, table, type Page } from './page.ts';

export const cliPage: Page = {
  path: 'docs/reference/cli.md',
  render: async () => `${generatedFrom('cli/commands/*/program.ts')}

# Command lines

\`--flag=value\` and \`--flag value\` are the same; what begins with a dash can only be written after "=". After \`--\` all
is words. Lists are separated by commas, and the flag may be given several times. Durations are written as 30s, 5m or
1h30m. Every command has \`--help\`.

Exit codes: 0 done; 1 failed, or the answer is no (\`can-i\`, \`audit verify\`, \`gate status\`); 2 the command line is not
understood. What went wrong is one line on stderr that begins with ERROR, and what to do about it below; with
\`--format=json\` it is a JSON object \`{"error": {code, message, remedy, details}}\`. The codes are in
[errors.md](errors.md).

Colours are for terminals only; NO_COLOR turns them off. Control characters in names, labels and messages are printed
as escapes such as \`\\u001b\`.

| Variable | Read by | Meaning |
|---|---|---|
| GATEHOUSE_CONFIG_FILE | gatectl, gatehouse | the config file, as \`--config\` |
| GATEHOUSE_PASSWORD_FILE | gate | the file with the password, as \`--password-file\` |
| VISUAL, EDITOR | gatectl edit | the editor; its words are a program and arguments |
| NO_COLOR | all | no colours |

${(await Promise.all([sectionOf(gatectl), sectionOf(gate), sectionOf(gatehouse)])).join('\n\n')}
`,
};

async function sectionOf<C, G extends Flags>(program: Program<C, G>): Promise<string> {
  const commands = await commandsOf([program.name], program.verbs);
  return [
    `## ${program.name}\n\n${program.says}`,
    `Flags of every command:\n\n${flagTable(program.flags)}`,
    ...commands.map(commandText),
  ].join('\n\n');
}

interface Found {
  readonly path: readonly string[];
  readonly aliases: readonly string[];
  readonly says: string;
  readonly command: Command<never>;
}

async function commandsOf<C>(path: readonly string[], entries: readonly Entry<C>[]): Promise<Found[]> {
  const found: Found[] = [];
  for (const entry of entries) {
    const at = [...path, entry.name];
    if (isGroup(entry)) found.push(...(await commandsOf(at, entry.verbs)));
    else {
      const command = (await entry.load()) as unknown as Command<never>;
      found.push({ path: at, aliases: entry.aliases ?? [], says: entry.says, command });
    }
  }
  return found;
}

function commandText({ path, aliases, says, command }: Found): string {
  const aka = aliases.length === 0 ? '' : ` Also: ${aliases.map((alias) => `\`${alias}\``).join(', ')}.`;
  const parts = [
    `### ${path.join(' ')}`,
    `${says}${aka}`,
    fenced([usageLine(path, command)]),
    command.about === undefined ? undefined : fenced([command.about]),
    command.positionals.length === 0 ? undefined : positionalTable(command.positionals),
    Object.keys(command.flags).length === 0 ? undefined : flagTable(command.flags),
    `For example:\n\n${fenced(command.examples)}`,
  ];
  return parts.filter((part) => part !== undefined).join('\n\n');
}

const fenced = (lines: readonly string[]): string => `\`\`\`\n${lines.join('\n')}\n\`\`\``;

function positionalTable(positionals: readonly Positional[]): string {
  return table(
    ['Argument', 'Meaning'],
    positionals.map(({ name, says, isOptional }) => [
      `\`${name}\``,
      isOptional === true ? `${says}; may be left out` : says,
    ]),
  );
}

function flagTable(flags: Flags): string {
  return table(
    ['Flag', 'Meaning'],
    Object.entries(flags).map(([name, flag]) => [`\`${flagTitle(name, flag).trim()}\``, flag.says]),
  );
}
