// `gatehouse configure`: a commented configuration file, to standard output or to a file that is not there yet.
import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';
import { CONFIG_PATHS } from '#config/load.ts';
import { readConfig } from '#config/read.ts';
import { sampleConfig } from '#config/sample.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { shellWord } from '../../format/text.ts';
import { writePrivateFile } from '../../private-files.ts';
import type { GatehouseContext } from './context.ts';

export const configure = command({
  about: `The file starts as it is: one auth service and one node. It is made for the user who runs this command alone,
and an existing file is never overwritten.`,
  flags: {
    output: flag.textOr('stdout', {
      says: 'stdout, file (/etc/gatehouse.yaml), file:///path, or a path.',
      short: 'o',
      value: 'WHERE',
    }),
    'cluster-name': flag.text({ says: 'Name of the cluster; it cannot be changed later.', value: 'NAME' }),
    'data-dir': flag.text({ says: 'Where keys and state are kept. (/var/lib/gatehouse)', value: 'FOLDER' }),
    nodename: flag.text({ says: 'Name of this machine. (the host name)', value: 'NAME' }),
  },
  examples: [
    'gatehouse configure',
    'gatehouse configure --cluster-name=main.example.com --output=file:///etc/gatehouse.yaml',
  ],
  async run({ io, out }: GatehouseContext, { flags }) {
    const text = sampleConfig({
      nodename: flags.nodename ?? io.hostname,
      ...(flags['cluster-name'] === undefined ? {} : { clusterName: flags['cluster-name'] }),
      ...(flags['data-dir'] === undefined ? {} : { dataDir: resolve(flags['data-dir']) }),
    });
    requireGood(text, io.hostname);
    const path = pathOf(flags.output);
    if (path === undefined) {
      out.formatted(text);
      return;
    }
    await writePrivateFile(path, text, { overwrite: false });
    const isFound = (CONFIG_PATHS as readonly string[]).includes(path);
    out.note(`Wrote ${path}. Start with: gatehouse start${isFound ? '' : ` --config=${shellWord(path)}`}`);
  },
});

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
