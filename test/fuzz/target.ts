// What a fuzz target is, and where targets are: every `<name>.fuzz.ts` beside the parser it throws bytes at.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../rooms/tree.ts';

/** Exported as `fuzz` by a `*.fuzz.ts` file. */
export interface FuzzTarget {
  /** Unique; names the folder of saved inputs. */
  readonly name: string;
  /** Inputs to start from; at least one must be accepted, or the runs never get past the first check. */
  readonly seeds: readonly Uint8Array[];
  /** Returns, or throws a GatehouseError; anything else is a bug. Synchronous, and keeps nothing between calls. */
  run(input: Uint8Array): void;
}

/** Absolute paths, sorted. */
export function targetFiles(): string[] {
  return globSync('**/*.fuzz.ts', {
    cwd: ROOT,
    exclude: (path) => /(^|\/)(node_modules|\.cache)$/.test(path),
  })
    .map((path) => join(ROOT, path))
    .sort();
}

export async function loadTarget(file: string): Promise<FuzzTarget> {
  const module = (await import(file)) as { fuzz?: FuzzTarget };
  if (module.fuzz === undefined) throw new Error(`${file} does not export "fuzz"`);
  return module.fuzz;
}
