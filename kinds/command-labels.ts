// Labels whose values are what a command prints, beside the plain ones: shared by the kinds that agents serve.
import * as s from '#core/schema/schema.ts';

export const commandLabel = s.object({
  period: s.duration({ description: 'How often the command runs.' }),
  command: s.list(s.string(), { single: true, max: 64 }),
  result: s.withDefault(s.string({ maxLength: 4096, description: 'What it printed last.' }), ''),
});

export type CommandLabels = Readonly<Record<string, s.Infer<typeof commandLabel>>>;

export const commandLabels = s.optional(
  s.map(commandLabel, { max: 256, description: 'Labels whose values come from commands.' }),
);

/** Static labels and the last results of commands; a command wins over a static label of the same name. */
export function labelsWith(
  labels: Readonly<Record<string, string>> | undefined,
  commands: CommandLabels | undefined,
): Record<string, string> {
  const all: Record<string, string> = { ...labels };
  for (const [name, label] of Object.entries(commands ?? {})) all[name] = label.result;
  return all;
}

/** `env:prod,team:dba`, as tables show labels. */
export function formatLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}:${value}`)
    .sort()
    .join(',');
}
