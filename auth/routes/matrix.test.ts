// Every route for every sort of caller. What is expected is worked out from the route's declaration and the table
// below, which is written by hand: a route, or a right, that is not in it fails.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RouteAccess, Verb } from '#auth/guard/access.ts';
import type { SystemRole } from '#core/identity.ts';
import { systemClock } from '#core/clock.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { openKubernetesReviews } from '../joining/kubernetes/open.ts';
import { silentLog } from '#core/log.ts';
import { routesOf } from './all.ts';

const ROUTES = routesOf({
  staticTokens: [],
  kubernetes: openKubernetesReviews({ clock: systemClock, log: silentLog }),
  clock: systemClock,
});

let house: TestAuth;
let stranger: TestAuth;
let callers: Readonly<Record<CallerName, TestClient | undefined>>;

type CallerName = keyof typeof RIGHTS;

const NODE_READS = [
  'cluster_name',
  'cert_authority',
  'cluster_auth_preference',
  'cluster_networking_config',
  'session_recording_config',
  'lock',
  'proxy',
  'role',
];
const READ: readonly Verb[] = ['list', 'read'];
const EVERY_VERB: readonly Verb[] = ['list', 'read', 'create', 'update', 'delete'];
const all = (kinds: readonly string[], verbs: readonly Verb[]): string[] =>
  kinds.flatMap((kind) => verbs.map((verb) => `${kind}:${verb}`));

interface Rights {
  readonly sort: 'nobody' | 'user' | 'host' | 'admin' | 'refused';
  readonly roles?: readonly SystemRole[];
  /** `kind:verb`; `*` is everything. */
  readonly may: readonly string[];
  /** Kinds of which a rule with a condition shows some. */
  readonly some?: readonly string[];
}

const EDITED = [
  'user',
  'role',
  'token',
  'lock',
  'cluster_auth_preference',
  'cluster_name',
  'cluster_networking_config',
  'session_recording_config',
  'node',
  'db',
  'app',
  'db_server',
  'app_server',
];
const EVERY_USER = all(
  ['cluster_name', 'cert_authority', 'node', 'db_server', 'app_server', 'proxy', 'session'],
  READ,
);

/** What operators keep as custom resources say. */
const OPERATED = [
  'role',
  'user',
  'token',
  'lock',
  'db',
  'app',
  'cluster_auth_preference',
  'cluster_networking_config',
  'session_recording_config',
];

/** What each sort of caller may do, spelled out. */
const RIGHTS = {
  anonymous: { sort: 'nobody', may: [] },
  'a user without roles': { sort: 'user', may: EVERY_USER },
  // The routes open for events of own sessions; what comes out is filtered (see audit.test.ts).
  'a user with the role access': { sort: 'user', may: EVERY_USER, some: all(['event'], READ) },
  auditor: {
    sort: 'user',
    may: [...EVERY_USER, ...all(['event', 'instance'], READ), 'session_recording_config:read'],
  },
  editor: { sort: 'user', may: [...EVERY_USER, ...all(EDITED, EVERY_VERB)] },
  'the role admin': { sort: 'user', may: ['*'] },
  'a node': { sort: 'host', roles: ['node'], may: all(NODE_READS, READ) },
  'a proxy': {
    sort: 'host',
    roles: ['proxy'],
    may: all([...NODE_READS, 'node', 'session', 'db_server', 'app_server', 'web_session'], READ),
  },
  'an agent of databases': { sort: 'host', roles: ['db'], may: all([...NODE_READS, 'db'], READ) },
  'an agent of applications': { sort: 'host', roles: ['app'], may: all([...NODE_READS, 'app'], READ) },
  'an operator': {
    sort: 'host',
    roles: ['operator'],
    may: [...all(NODE_READS.slice(0, 7), READ), ...all(OPERATED, EVERY_VERB)],
  },
  'a host without roles': {
    sort: 'host',
    roles: [],
    may: all(NODE_READS.slice(0, 7), READ),
  },
  'the local admin': { sort: 'admin', may: ['*'] },
  'a certificate of another cluster': { sort: 'refused', may: [] },
  'an expired certificate': { sort: 'refused', may: [] },
  'a user certificate signed by the host authority': { sort: 'refused', may: [] },
  'an admin certificate signed by the host authority': { sort: 'refused', may: [] },
  'a host certificate signed by the user authority': { sort: 'refused', may: [] },
  'a server certificate shown by a client': { sort: 'refused', may: [] },
  'a user who was deleted': { sort: 'user', may: [] },
} as const satisfies Record<string, Rights>;

beforeAll(async () => {
  house = await startTestAuth();
  stranger = await startTestAuth();
  const { issueUser, issueHost } = house;
  const gone = await issueUser('gone', ['access']);
  await house.remove('user', 'gone');
  callers = {
    anonymous: undefined,
    'a user without roles': await issueUser('plain', []),
    'a user with the role access': await issueUser('worker', ['access']),
    auditor: await issueUser('olga', ['auditor']),
    editor: await issueUser('ed', ['editor']),
    'the role admin': await issueUser('root', ['admin']),
    'a node': issueHost(['node']),
    'a proxy': issueHost(['proxy']),
    'an agent of databases': issueHost(['db']),
    'an agent of applications': issueHost(['app']),
    'an operator': issueHost(['operator']),
    'a host without roles': issueHost([]),
    'the local admin': house.admin,
    'a certificate of another cluster': await stranger.issueUser('worker', ['admin']),
    'an expired certificate': await issueUser('worker', ['access'], { ttlMs: -1000 }),
    'a user certificate signed by the host authority': await issueUser('root', ['admin'], {
      signedBy: 'host',
    }),
    'an admin certificate signed by the host authority': house.issue(house.admin.identity, {
      signedBy: 'host',
    }),
    'a host certificate signed by the user authority': issueHost(['node'], { signedBy: 'user' }),
    'a server certificate shown by a client': issueHost(['auth'], { usage: 'server' }),
    'a user who was deleted': gone,
  };
});
afterAll(async () => {
  await house.close();
  await stranger.close();
});

type Outcome = 'through' | 'UNAUTHENTICATED' | 'CERTIFICATE_INVALID' | 'ACCESS_DENIED';

function expected(access: RouteAccess, rights: Rights, isDeleted: boolean): Outcome {
  if (rights.sort === 'refused') return 'CERTIFICATE_INVALID';
  if (access.to === 'anyone') return 'through';
  if (rights.sort === 'nobody') return 'UNAUTHENTICATED';
  if (isDeleted) return 'ACCESS_DENIED';
  return isOpen(access, rights) ? 'through' : 'ACCESS_DENIED';
}

function isOpen(access: RouteAccess, { sort, roles = [], may, some = [] }: Rights): boolean {
  switch (access.to) {
    case 'anyone':
    case 'members':
    case 'each-resource':
      return true;
    case 'user':
      return sort === 'user';
    case 'host':
      return (
        sort === 'host' && (access.roles.length === 0 || access.roles.some((role) => roles.includes(role)))
      );
    case 'local-admin':
      return sort === 'admin';
    case 'resource':
      if (isInternal(access.kind)) return sort === 'admin';
      if (may.includes('*')) return true;
      return access.verbs.every((verb) => {
        const right = `${access.kind}:${verb}`;
        return may.includes(right) || (access.whole !== true && some.includes(right));
      });
  }
}

const INTERNAL = [
  'cert_authority_key',
  'user_password',
  'mfa_device',
  'login_attempts',
  'invite',
  'audit_state',
];
const isInternal = (kind: string): boolean => INTERNAL.includes(kind);

/** A harmless request: the handler refuses its content, if the guard lets it that far. */
const pathOf = (path: string): string => path.replace(/:\w+/g, 'no-such-thing');

describe('S17 S18 every route for every caller', () => {
  const routes = ROUTES.map(({ endpoint, access }) => ({ ...endpoint, access }));
  for (const name of Object.keys(RIGHTS) as CallerName[]) {
    test(`${name}: as the table says, on all ${routes.length} routes`, async () => {
      const wrong: string[] = [];
      for (const { method, path, access } of routes) {
        // A stream would go on; the guard is asked before it begins either way.
        const { to } = access;
        const body =
          method === 'POST' || method === 'PUT' ? (access.to === 'resource' ? { kind: 1 } : {}) : undefined;
        const answer = await house.call(callers[name], method, pathOf(path), body);
        const code = String(answer.body?.['code'] ?? 'none');
        const want = expected(access, RIGHTS[name], name === 'a user who was deleted');
        const isRefusal = ['UNAUTHENTICATED', 'CERTIFICATE_INVALID', 'ACCESS_DENIED', 'LOCKED'].includes(
          code,
        );
        const got = isRefusal ? code : 'through';
        if (got !== want) wrong.push(`${method} ${path} (${to}): ${got} instead of ${want} — ${answer.text}`);
        if (code === 'INTERNAL') wrong.push(`${method} ${path}: ${answer.text}`);
      }
      expect(wrong).toEqual([]);
    });
  }
});

test('S17 every mounted route is one of the list, and declares its access', () => {
  const listed = ROUTES.map(({ endpoint }) => `${endpoint.method} ${endpoint.path}`).sort();
  expect(new Set(listed).size).toBe(listed.length);
  const mounted = house.auth.routes.map(({ method, path }) => `${method} ${path}`).sort();
  expect(mounted).toEqual(listed);
  for (const { access } of house.auth.routes)
    expect(access.to).toMatch(/^(anyone|members|user|host|local-admin|resource|each-resource)$/);
});

test('S17 what anyone may call without an identity is this and no more', () => {
  const open = ROUTES.filter(({ access }) => access.to === 'anyone').map(({ endpoint }) => endpoint.path);
  const known = [
    '/v1/ping',
    '/v1/authorities/host',
    '/v1/join',
    '/v1/login',
    '/v1/invites/open',
    '/v1/invites/accept',
    '/v1/web/sessions',
  ];
  expect(open.filter((path) => !known.includes(path))).toEqual([]);
});
