// `gatehouse operator`: the flags of the operator, handed to it as values.
import { parseAddress } from '#config/address.ts';
import { runOperator } from '#daemon/operator.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { VERSION } from '../../version.ts';
import type { GatehouseContext } from './context.ts';

const DIAG_PORT = 3000;

export const operator = command({
  about: `Runs in a pod, whose environment says where: KUBE_NAMESPACE, SERVICE_ACCOUNT and POD_NAME. Outside of Kubernetes,
KUBECONFIG leads to the cluster. Of several operators one acts at a time, unless --leader-elect=false.`,
  flags: {
    'watch-namespace': flag.text({
      says: 'Look only at objects of this namespace. (all namespaces)',
      value: 'NAMESPACE',
    }),
    'leader-elect': flag.oneOf(['true', 'false'], {
      says: 'Whether to wait until no other operator of this namespace acts. (true)',
    }),
    image: flag.textOr('gatehouse', {
      says: 'Repository of the image of clusters that name none.',
      value: 'REPOSITORY',
    }),
    'diag-addr': flag.text({
      says: 'Serve /healthz, /readyz and /metrics over HTTP here, such as 0.0.0.0:3000.',
      value: 'HOST:PORT',
    }),
    'log-level': flag.oneOf(['trace', 'debug', 'info', 'warn', 'error'], {
      says: 'The least severe lines that are logged. (info)',
    }),
    'log-format': flag.oneOf(['text', 'json'], { says: 'The form of the log. (text)' }),
  },
  examples: [
    'gatehouse operator --diag-addr=0.0.0.0:3000 --log-format=json',
    'KUBE_NAMESPACE=gatehouse SERVICE_ACCOUNT=gatehouse-operator gatehouse operator --watch-namespace=gatehouse',
  ],
  async run({ io }: GatehouseContext, { flags: given }) {
    return runOperator({
      clock: io.clock,
      version: VERSION,
      stderr: process.stderr,
      environment: io.env,
      logLevel: given['log-level'] ?? 'info',
      logFormat: given['log-format'] ?? 'text',
      diagAddr: given['diag-addr'] === undefined ? undefined : parseAddress(given['diag-addr'], DIAG_PORT),
      watchNamespace: given['watch-namespace'],
      leaderElect: given['leader-elect'] !== 'false',
      imageRepository: given.image,
      signals: process,
      exit: (code) => process.exit(code),
    });
  },
});
