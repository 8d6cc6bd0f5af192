// Where commands that make a configuration file put it: standard output, or a file that is not there yet.
import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';
import { CONFIG_PATHS } from '#config/load.ts';
import { readConfig } from '#config/read.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { usage } from '../../arguments.ts';
import { shellWord } from '../../format/text.ts';
import { writePrivateFile } from '../../private-files.ts';
import type { GatehouseContext } from './context.ts';

/** What `--output` takes, for help. */
export const OUTPUT_SAYS = 'stdout, file (/etc/gatehouse.yaml), file:///path, or a path.';

/** Checks the text as `gatehouse start` would, and writes it. USAGE for a mistake in it; ALREADY_EXISTS for a file. */
export async function putConfig({ io, out }: GatehouseContext, text: string, output: string): Promise<void> {
  requireGood(text, io.hostname);
  const path = pathOf(output);
  if (path === undefined) {
    out.formatted(text);
    return;
  }
  await writePrivateFile(path, text, { overwrite: false });
  const isFound = (CONFIG_PATHS as readonly string[]).includes(path);
  out.note(`Wrote ${path}. Start with: gatehouse start${isFound ? '' : ` --config=${shellWord(path)}`}`);
}

/** Undefined for standard output. */
function pathOf(output: string): string | undefined {
  if (output === 'stdout' || output === 'stdout:' || output === 'stdout://') return undefined;
  if (output === 'file') return CONFIG_PATHS[0];
  if (!output.startsWith('file:')) return resolve(output);
  try {
    return fileURLToPath(output);
  } catch {
    throw usage(
      '--output: must be file:// and an absolute path (three slashes), such as file:///etc/gatehouse.yaml',
    );
  }
}

/** What the flags said is in the text; a bad name is a mistake of the command line. */
function requireGood(text: string, hostname: string): void {
  try {
    readConfig(text, { source: 'the configuration', hostname });
  } catch (error) {
    if (!isCode(error, 'INVALID_CONFIG')) throw error;
    throw new GatehouseError('USAGE', error.message.replace(/\bline \d+: /g, ''), { cause: error });
  }
}
