// The keys of a playback. Pure; what a terminal sends by itself is none of them.

export type PlayCommand = 'pause' | 'forward' | 'back' | 'faster' | 'slower' | 'quit';

const KEYS: Readonly<Record<string, PlayCommand>> = {
  ' ': 'pause',
  q: 'quit',
  '\u0003': 'quit',
  '\u0004': 'quit',
  '\u001b[C': 'forward',
  '\u001bOC': 'forward',
  '\u001b[D': 'back',
  '\u001bOD': 'back',
  '\u001b[A': 'faster',
  '\u001bOA': 'faster',
  '\u001b[B': 'slower',
  '\u001bOB': 'slower',
};

/** The commands in what was typed; a terminal gives each key in one piece. */
export function playCommands(typed: string): readonly PlayCommand[] {
  // oxlint-disable-next-line no-control-regex -- keys are control sequences
  const keys = typed.match(/\u001b(?:\[[0-?]*[ -/]*[@-~]|O.)|[^\u001b]/gu) ?? [];
  return keys.flatMap((key) => KEYS[key] ?? []);
}
