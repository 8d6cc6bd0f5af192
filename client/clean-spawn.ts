// Starts a program that holds nobody's terminal: the terminals of SSH sessions do not close on exec (see terminals.ts of
// the agent). For whatever in the process starts programs and does not know the terminals that are open, which is why it
// is here; it finds them among the files of this process, which costs more the more files there are.
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { closeSync, constants, openSync, readdirSync, readlinkSync } from 'node:fs';

/** What stands for a file in the new program. */
type Stdio = number | 'ignore' | 'inherit' | 'pipe' | 'ipc';

export interface CleanSpawnOptions extends SpawnOptions {
  readonly stdio: Stdio[];
}

const FIRST_OTHER = 3;
const MASTER = /\/ptmx$/;

/** As spawn of node:child_process. */
export function spawnWithoutTerminals(
  program: string,
  args: readonly string[],
  options: CleanSpawnOptions,
): ChildProcess {
  const masters = openMasters();
  if (masters.length === 0) return spawn(program, args, options);
  const nothing = openSync('/dev/null', constants.O_RDWR);
  try {
    return spawn(program, args, { ...options, stdio: covered(options.stdio, masters, nothing) });
  } finally {
    closeSync(nothing);
  }
}

/** The same files with `nothing` in the places of `masters`. */
export function covered(stdio: readonly Stdio[], masters: Iterable<number>, nothing: number): Stdio[] {
  const all = [...stdio];
  for (const master of masters) {
    while (all.length <= master) all.push('ignore');
    // What the program is given in this place stands for the terminal already.
    if (all[master] === 'ignore') all[master] = nothing;
  }
  return all;
}

function openMasters(): number[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    const fd = Number(name);
    try {
      return fd >= FIRST_OTHER && MASTER.test(readlinkSync(`/proc/self/fd/${name}`)) ? [fd] : [];
    } catch {
      // The folder itself, closed by now.
      return [];
    }
  });
}
