// Who may import what from outside: npm packages, and the node modules that reach the machine. One owner per job keeps
// a replacement small and a review honest.

export interface Owner {
  /** Paths that begin with one of these may import it; `*` means everywhere. */
  readonly from: readonly string[];
  readonly why: string;
  /** Tests may import it wherever they are. */
  readonly tests?: boolean;
}

export const PACKAGES: Readonly<Record<string, Owner>> = {
  fastify: {
    from: ['auth/', 'proxy/web/'],
    why: 'the auth API and the web side of the proxy are the HTTP servers',
  },
  '@kubernetes/client-node': {
    from: ['operator/kube/kubeconfig.ts'],
    why: 'reads kubeconfig files with their exec plug-ins, outside a cluster; loaded lazily because it is large',
    tests: true,
  },
  '@lydell/node-pty': {
    from: ['agent/ssh/'],
    why: 'opens pseudo-terminals, which Node cannot; tests type into them',
    tests: true,
  },
  uqr: { from: ['proxy/web/', 'cli/'], why: 'draws the QR code of a one-time password' },
  ssh2: { from: [], why: 'a second SSH implementation to test ours against', tests: true },
  'playwright-core': { from: [], why: 'drives Chromium in tests', tests: true },
  '@aws-sdk/client-sts': {
    from: ['agent/aws/'],
    why: 'assumes roles; loaded when the first one is needed, because it is large',
  },
  '@aws-sdk/credential-provider-node': {
    from: ['agent/aws/'],
    why: 'the chain of credentials that AWS documents, from the environment to instance metadata',
  },
  pg: {
    from: ['agent/database/provision/'],
    why: 'makes accounts for people in databases; people themselves are spliced, not parsed into rows',
    tests: true,
  },
  pino: {
    from: ['daemon/', 'config/'],
    why: 'a process makes its logger once; everybody else takes core/log.ts',
  },
  re2js: {
    from: ['core/access/', 'core/schema/'],
    why: 'patterns of users run in linear time, and in one place',
  },
  yaml: {
    from: ['core/yaml/', 'kinds/', 'config/', 'cli/', 'hack/gen/', 'operator/cluster/resources/'],
    why: 'core/yaml reads it, bounded and with lines; the others write it; inside, resources are values',
    tests: true,
  },
  vitest: { from: [], why: 'tests only', tests: true },
  'fast-check': { from: [], why: 'tests only', tests: true },
  '@smithy/signature-v4': { from: [], why: "the AWS SDK's own signer, to test ours against", tests: true },
  '@smithy/signature-v4a': { from: [], why: 'the same for SigV4A', tests: true },
  '@aws-sdk/client-s3': { from: [], why: 'a real client, in tests only', tests: true },
  '@aws-sdk/client-dynamodb': { from: [], why: 'a real client, in tests only', tests: true },
  'node-forge': { from: [], why: 'a second opinion on our certificates, in tests only', tests: true },
};

export const NODE_MODULES: Readonly<Record<string, Owner>> = {
  'node:sqlite': {
    from: ['storage/sqlite/', 'events/lock.ts', 'daemon/data-dir-lock.ts'],
    why: 'the embedded store is one folder; audit log and daemon take their locks on files, which Node has no other way to take',
    tests: true,
  },
  'node:child_process': {
    from: [
      'agent/',
      'cli/',
      'hack/',
      'client/clean-spawn.ts',
      'daemon/log/syslog.ts',
      'daemon/handover/successor.ts',
    ],
    why: 'only sessions and commands start programs, the log one that speaks to syslog, and a daemon its successor; all by one way that leaks no terminal',
    tests: true,
  },
  'node:worker_threads': { from: ['auth/', 'storage/'], why: 'threads need a reason', tests: true },
  'node:cluster': { from: [], why: 'a process is one process' },
  'node:vm': { from: [], why: 'no text is ever run as code' },
  'node:inspector': { from: [], why: 'no debugger in production code' },
  'node:http': {
    from: ['auth/', 'cli/', 'client/', 'daemon/', 'agent/', 'proxy/', 'wire/', 'operator/'],
    why: 'listening and calling belong to the ends',
    tests: true,
  },
  'node:https': {
    from: ['auth/', 'client/', 'daemon/', 'proxy/', 'wire/', 'operator/', 'agent/app/aws/'],
    why: 'listening and calling belong to the ends, also to that of AWS',
    tests: true,
  },
  'node:net': {
    from: ['auth/', 'client/', 'agent/', 'daemon/', 'config/', 'cli/', 'proxy/', 'wire/'],
    why: 'sockets belong to the ends',
    tests: true,
  },
  'node:tls': {
    from: ['cli/', 'auth/', 'client/', 'agent/', 'daemon/', 'proxy/', 'wire/'],
    why: 'sockets belong to the ends',
    tests: true,
  },
  'node:dgram': { from: [], why: 'nothing here speaks UDP' },
};
