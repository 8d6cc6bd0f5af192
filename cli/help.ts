// Help pages, made from the tables of commands and flags.
import {
  isGroup,
  type Command,
  type Entry,
  type Flag,
  type Flags,
  type Group,
  type Program,
} from './arguments.ts';

const GAP = 2;

/** The page of a program or group: what there is to choose from. */
export function groupHelp<C, G extends Flags>(
  program: Program<C, G>,
  path: readonly string[],
  group: Pick<Group<C>, 'verbs' | 'says'>,
): string {
  const isProgram = path.length === 1;
  return sections([
    group.says,
    ['Usage', [`${path.join(' ')} ${isProgram ? '[flags] ' : ''}<command> [flags] [arguments]`]],
    ['Commands', aligned(group.verbs.map((entry) => [titleOf(entry), entry.says]))],
    isProgram ? ['Flags', flagLines(program.flags)] : undefined,
    isProgram ? ['Examples', program.examples] : undefined,
    `Run \`${path.join(' ')} <command> --help\` for the flags and examples of a command.`,
  ]);
}

/** The page of one command. */
export function commandHelp<C, G extends Flags>(
  program: Program<C, G>,
  path: readonly string[],
  says: string,
  command: Command<C>,
): string {
  const global = Object.fromEntries(
    Object.entries(program.flags).filter(([name]) => !Object.hasOwn(command.flags, name)),
  );
  return sections([
    command.about === undefined ? says : `${says}\n\n${command.about}`,
    ['Usage', [usageLine(path, command)]],
    ['Arguments', aligned(command.positionals.map(({ name, says }) => [name, says]))],
    ['Flags', flagLines(command.flags)],
    ['Flags of every command', flagLines(global)],
    ['Examples', command.examples],
  ]);
}

export function usageLine<C>(path: readonly string[], { flags, positionals }: Command<C>): string {
  const words = positionals.map(({ name, isOptional, isMany }) => {
    const word = isMany === true ? `${name}...` : name;
    return isOptional === true ? `[${word}]` : word;
  });
  return [path.join(' '), ...(Object.keys(flags).length === 0 ? [] : ['[flags]']), ...words].join(' ');
}

/** `-f, --force`, `--ttl=TIME` */
export function flagTitle(name: string, { short, value }: Flag<unknown>): string {
  const long = value === undefined ? `--${name}` : `--${name}=${value}`;
  return short === undefined ? `    ${long}` : `-${short}, ${long}`;
}

function flagLines(flags: Flags): string[] {
  return aligned(Object.entries(flags).map(([name, flag]) => [flagTitle(name, flag), flag.says]));
}

function titleOf<C>(entry: Entry<C>): string {
  const aliases = entry.aliases ?? [];
  return `${[entry.name, ...aliases].join(', ')}${isGroup(entry) ? ' …' : ''}`;
}

function aligned(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(Math.max(0, ...rows.map(([title]) => title.length)), 34) + GAP;
  return rows.map(([title, says]) =>
    title.length + GAP > width ? `${title}\n  ${' '.repeat(width)}${says}` : `${title.padEnd(width)}${says}`,
  );
}

type Section = string | readonly [string, readonly string[]] | undefined;

function sections(parts: readonly Section[]): string {
  const blocks = parts.flatMap((part) => {
    if (part === undefined) return [];
    if (typeof part === 'string') return [part];
    const [title, lines] = part;
    return lines.length === 0 ? [] : [`${title}:\n${lines.map((line) => `  ${line}`).join('\n')}`];
  });
  return `${blocks.join('\n\n')}\n`;
}
