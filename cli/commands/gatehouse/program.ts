// The table of gatehouse, the daemon. Nothing is loaded before it is called.
import * as flag from '../../arguments.ts';
import type { Program } from '../../arguments.ts';
import { FORMATS, Output } from '../../output.ts';
import { versionLine } from '../../version.ts';
import type { GatehouseContext } from './context.ts';

export const gatehouse: Program<GatehouseContext> = {
  name: 'gatehouse',
  says: 'gatehouse is the daemon: it runs the services of a cluster on this machine.',
  version: versionLine(),
  flags: {
    debug: flag.toggle({ says: 'Log and show more: severity debug, and what caused an error.', short: 'd' }),
    format: flag.oneOf(FORMATS, { says: 'How to print.' }),
  },
  verbs: [
    {
      name: 'start',
      says: 'Start the services, in the foreground.',
      load: async () => (await import('./start.ts')).start,
    },
    {
      name: 'operator',
      says: 'Run the operator of Kubernetes, in the foreground.',
      load: async () => (await import('./operator.ts')).operator,
    },
    {
      name: 'configure',
      says: 'Print a commented configuration file, or write it.',
      load: async () => (await import('./configure.ts')).configure,
    },
    {
      name: 'db',
      says: 'Set up an agent of databases.',
      verbs: [
        {
          name: 'configure',
          says: 'Its configuration file.',
          verbs: [
            {
              name: 'create',
              says: 'Print a configuration file for a database, or write it.',
              load: async () => (await import('./db-configure-create.ts')).dbConfigureCreate,
            },
          ],
        },
      ],
    },
    {
      name: 'aws',
      says: 'What an admin of AWS needs.',
      verbs: [
        {
          name: 'policy',
          says: 'Print the policies of IAM that are needed.',
          load: async () => (await import('./aws-policy.ts')).awsPolicy,
        },
      ],
    },
    {
      name: 'install',
      says: 'Print what installs the daemon on this machine.',
      verbs: [
        {
          name: 'systemd',
          says: 'A unit of systemd.',
          load: async () => (await import('./install-systemd.ts')).installSystemd,
        },
      ],
    },
    {
      name: 'status',
      says: 'Show the connection, inside of an SSH session.',
      load: async () => (await import('./status.ts')).status,
    },
    {
      name: 'version',
      says: 'Show the version.',
      load: async () => (await import('./version.ts')).version,
    },
  ],
  examples: [
    'gatehouse start',
    'gatehouse start --config=/etc/gatehouse.yaml --pid-file=/run/gatehouse.pid',
    'gatehouse configure --cluster-name=main.example.com --output=file:///etc/gatehouse.yaml',
  ],
  open: (io, flags) => ({ io, out: new Output(io, flags['format'] as (typeof FORMATS)[number] | undefined) }),
};
