// `gatehouse start`: the flags of the daemon, handed to it as values.
import { parseLabelsFlag } from '#config/labels.ts';
import { parseRolesFlag, type ConfigFlags } from '#config/flags.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { runDaemon, type RunOptions } from '#daemon/main.ts';
import * as flag from '../../arguments.ts';
import { command, type FlagValues } from '../../arguments.ts';
import { VERSION } from '../../version.ts';
import type { GatehouseContext } from './context.ts';

const flags = {
  config: flag.text({
    says: 'The configuration file. (/etc/gatehouse.yaml, or /etc/teleport.yaml)',
    short: 'c',
    value: 'FILE',
  }),
  roles: flag.text({ says: 'Exactly these services: auth, proxy, node.', value: 'A,B' }),
  token: flag.text({ says: 'The join token, or the path of a file that holds it.', value: 'TOKEN|FILE' }),
  'ca-pin': flag.list({ says: 'Pin of the authority of the cluster to join.', value: 'PIN' }),
  'auth-server': flag.text({
    says: 'The auth service of the cluster to join, or the web port of a proxy.',
    value: 'HOST:PORT',
  }),
  nodename: flag.text({ says: 'Name of this machine. (the host name)', value: 'NAME' }),
  labels: flag.text({
    says: 'Labels of this node, such as env=prod,arch=[1h:"uname -m"].',
    value: 'LABELS',
  }),
  'data-dir': flag.text({ says: 'Where keys and state are kept. (/var/lib/gatehouse)', value: 'FOLDER' }),
  'diag-addr': flag.text({
    says: 'Serve /healthz, /readyz and /metrics over HTTP here, such as 127.0.0.1:3000.',
    value: 'HOST:PORT',
  }),
  'pid-file': flag.text({ says: 'Write the process id here.', value: 'FILE' }),
  bootstrap: flag.text({
    says: 'Resources for a new cluster, from `gatectl get all`; ignored when there is one already.',
    value: 'FILE',
  }),
  'apply-on-startup': flag.text({
    says: 'Resources that the auth service brings to what this file says at every start, before it serves.',
    value: 'FILE',
  }),
  debug: flag.toggle({ says: 'Log with severity debug.', short: 'd' }),
  'insecure-no-tls': flag.toggle({
    says: 'The web port of the proxy speaks plain HTTP, to a balancer in front that ends TLS.',
  }),
  insecure: flag.toggle({ says: 'Not offered: certificates are always verified.' }),
};

export const start = command({
  about: `Flags win over the file. Without either, an auth service, a proxy and a node run on this machine. Ends with TERM or
Ctrl-C; HUP restarts without ending sessions, USR2 leaves the old process running; USR1 writes what it is doing to the log.`,
  flags,
  examples: [
    'gatehouse start',
    'gatehouse start -d --diag-addr=127.0.0.1:3000',
    'gatehouse start --roles=node --token=/tmp/token --ca-pin=sha256:7e12... --auth-server=10.12.0.6:3025',
    `gatehouse start --labels 'uptime=[1m:"uptime -p"],kernel=[1h:"uname -r"]'`,
  ],
  async run({ io }: GatehouseContext, { flags: given }) {
    if (given.insecure) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        '--insecure is not offered: the certificate of the auth service is always verified; pass --ca-pin to join safely',
      );
    }
    // What the daemon makes is for its user alone, wherever it makes it.
    process.umask(0o077);
    return runDaemon({
      clock: io.clock,
      version: VERSION,
      stdout: process.stdout,
      stderr: process.stderr,
      environment: io.env,
      configPath: given.config ?? (io.env['GATEHOUSE_CONFIG_FILE'] || undefined),
      flags: configFlags(given),
      bootstrapFile: given.bootstrap,
      applyFile: given['apply-on-startup'],
      // Where a person looks on: at a terminal, or behind `make up`.
      withGuide: (io.env['GATEHOUSE_GUIDE'] ?? (io.stdout.isTTY === true ? 'yes' : 'no')) === 'yes',
      signals: process,
      program: ownProgram(io.env),
      parent: process,
      exit: (code) => process.exit(code),
    });
  },
});

/** As it was started: by its launcher, which may lead to another version by now, with the same words. */
function ownProgram(env: Readonly<Record<string, string | undefined>>): RunOptions['program'] {
  const launcher = env['GATEHOUSE_LAUNCHER'];
  const words = process.argv.slice(2);
  return launcher === undefined || launcher === ''
    ? {
        command: process.execPath,
        args: [...process.execArgv, process.argv[1] ?? '', ...words],
        environment: env,
      }
    : { command: launcher, args: words, environment: env };
}

function configFlags(given: FlagValues<typeof flags>): ConfigFlags {
  return withoutUndefined({
    roles: given.roles === undefined ? undefined : parseRolesFlag(given.roles),
    token: given.token,
    caPins: given['ca-pin'],
    authServer: given['auth-server'],
    nodename: given.nodename,
    dataDir: given['data-dir'],
    pidFile: given['pid-file'],
    diagAddr: given['diag-addr'],
    labels: given.labels === undefined ? undefined : parseLabelsFlag(given.labels),
    debug: given.debug ? true : undefined,
    insecureNoTls: given['insecure-no-tls'] ? true : undefined,
  });
}

function withoutUndefined(fields: { [K in keyof ConfigFlags]: ConfigFlags[K] | undefined }): ConfigFlags {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ConfigFlags;
}
