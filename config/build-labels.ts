// Labels of a server, an application or a database as the file writes them: static ones, and those that commands print.
import { parseDuration } from '#core/duration.ts';
import type { Path } from '#core/schema/check.ts';
import type { Findings } from './findings.ts';
import { commandComplaint, labelNameComplaint, type CommandLabel, type Labels } from './labels.ts';

type Commands = readonly {
  readonly name: string;
  readonly command: readonly string[];
  readonly period: string;
}[];

/** Checks the names of `labels` too: a name stands for one value. `words` are the keys of the two in the file. */
export function buildCommands(
  labels: Readonly<Record<string, string>> | undefined,
  commands: Commands | undefined,
  path: Path,
  findings: Findings,
  words: { readonly labels: string; readonly commands: string } = { labels: 'labels', commands: 'commands' },
): CommandLabel[] {
  const names = new Set<string>();
  for (const name of Object.keys(labels ?? {})) {
    const complaint = labelNameComplaint(name);
    if (complaint !== undefined) findings.problem([...path, words.labels, name], complaint);
    names.add(name);
  }
  return (commands ?? []).map(({ name, command, period }, index) => {
    const at = (key: string): Path => [...path, words.commands, index, key];
    const nameComplaint = names.has(name) ? `"${name}" is there already` : labelNameComplaint(name);
    if (nameComplaint !== undefined) findings.problem(at('name'), nameComplaint);
    const complaint = commandComplaint(command);
    if (complaint !== undefined) findings.problem(at('command'), complaint);
    names.add(name);
    return { name, command, periodMs: parseDuration(period) };
  });
}

/** `own` wins over `common` for labels of one name, whether they are static or commands. */
export function labelsOver(common: Labels, own: Labels): Labels {
  const taken = new Set([...Object.keys(own.labels), ...own.commands.map(({ name }) => name)]);
  const kept = Object.entries(common.labels).filter(([name]) => !taken.has(name));
  return {
    labels: { ...Object.fromEntries(kept), ...own.labels },
    commands: [...common.commands.filter(({ name }) => !taken.has(name)), ...own.commands],
  };
}
