// `gatehouse configure`: a commented configuration file, to standard output or to a file that is not there yet.
import { resolve } from 'node:path';
import { sampleConfig } from '#config/sample.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { OUTPUT_SAYS, putConfig } from './config-output.ts';
import type { GatehouseContext } from './context.ts';

export const configure = command({
  about: `The file starts as it is: one auth service and one node. It is made for the user who runs this command alone,
and an existing file is never overwritten.`,
  flags: {
    output: flag.textOr('stdout', {
      says: OUTPUT_SAYS,
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
    await putConfig({ io, out }, text, flags.output);
  },
});
