// The map of the house: which room may import which, and why. imports.test.ts enforces it; a new arrow is a line
// here and a sentence in its reason, so that it is seen in review.

export interface Room {
  /** Rooms whose files may be imported; an entry with "/" names a single file or, ending in "/", a folder. */
  readonly imports: readonly string[];
  readonly why: string;
  /** What its tests may import beyond that; every test may import test/kit. */
  readonly testsAlso?: readonly string[];
}

export const ROOMS: Readonly<Record<string, Room>> = {
  core: {
    imports: [],
    why: 'the laws are pure and know no other room',
    testsAlso: ['storage'],
  },
  kinds: { imports: ['core'], why: 'nouns are described with core/schema only' },
  config: { imports: ['core'], why: 'it reads a file and checks it, nothing more' },
  storage: { imports: ['core'], why: 'it keeps bytes and knows no kind', testsAlso: ['kinds'] },
  events: { imports: ['core', 'kinds'], why: 'events may carry resources' },
  join: {
    imports: ['core', 'kinds'],
    why: 'a proof needs the token kind and nothing of the service that checks it',
  },
  wire: {
    imports: ['core'],
    why: 'both ends of a connection speak it; it knows bytes and keys, and no policy',
  },
  recordings: {
    imports: ['core'],
    why: 'it writes, keeps and reads what was seen; who may see it is decided elsewhere',
  },
  client: {
    imports: [
      'core',
      'kinds',
      'recordings/upload.ts',
      'recordings/source.ts',
      'recordings/spool/process-name.ts',
    ],
    why: 'it is the only door to auth and must run anywhere; recordings pass through it by their contracts, and what waits on disk is named alike in both',
    testsAlso: ['auth', 'storage', 'events', 'join', 'config', 'recordings'],
  },
  auth: {
    imports: ['core', 'kinds', 'config', 'storage', 'events', 'join', 'recordings'],
    why: 'only auth sees storage and events; it never imports another process',
    testsAlso: ['client'],
  },
  agent: {
    imports: ['core', 'kinds', 'config', 'client', 'join', 'wire', 'recordings'],
    why: 'an agent reaches auth through the client only',
    testsAlso: ['auth', 'storage', 'events'],
  },
  proxy: {
    imports: ['core', 'kinds', 'config', 'client', 'wire', 'recordings'],
    why: 'a proxy is stateless: what it knows comes through the client, what it forwards it does not keep',
    testsAlso: ['auth', 'storage', 'events', 'agent', 'join'],
  },
  operator: {
    imports: ['core', 'kinds', 'client', 'join'],
    why: 'it is a client of auth and of Kubernetes; what it writes for the services it writes as text',
    testsAlso: ['auth', 'storage', 'events', 'config'],
  },
  cli: {
    imports: [
      'core',
      'kinds',
      'config',
      'client',
      'wire',
      'recordings',
      'daemon/main.ts',
      'daemon/operator.ts',
    ],
    why: 'commands reach auth through the client only; `gatehouse start` and `gatehouse operator` are run by the daemon room',
    testsAlso: ['operator', 'auth', 'storage', 'events', 'join', 'agent', 'daemon', 'proxy'],
  },
  daemon: {
    imports: [
      'core',
      'config',
      'client',
      'join/kubernetes/prove.ts',
      'auth/main.ts',
      'agent/main.ts',
      'proxy/main.ts',
      'operator/main.ts',
    ],
    why: 'it opens the services of a config, and the operator, by their main.ts, gives them what the machine proves itself with, and closes them',
    testsAlso: [
      'kinds',
      'client',
      'auth',
      'agent',
      'proxy',
      'storage',
      'events',
      'join',
      'cli',
      'wire',
      'recordings',
    ],
  },
};

/** Folders that are no rooms: they may import every room, and no room may import them (tests: test/kit only). */
export const AROUND_THE_HOUSE: readonly string[] = ['test', 'hack'];

/** Files that only some folders may import, whatever the rooms allow. */
export const GUARDED: readonly {
  readonly files: readonly string[];
  readonly from: readonly string[];
  readonly why: string;
}[] = [
  {
    files: ['core/certs/ssh/issue.ts', 'core/certs/x509/issue.ts'],
    from: ['auth/authority/', 'core/certs/'],
    why: 'only auth/authority signs with an authority key; ask it for the certificate',
  },
];

/** What core may take of node: nothing that opens, listens, waits or reads the machine. */
export const PURE_NODE_MODULES: readonly string[] = ['node:crypto', 'node:buffer', 'node:util'];
