// People at the web page of the proxy: their logins, passed on to auth for the person whose browser asks; the
// applications that they may see; and the way to one of them. Apart from the routes, which know HTTP.
import { grantedNames, isVisible } from '#core/access/decide.ts';
import { createWebSession, endWebSession, launchApp, openWebSession } from '#core/api/web-sessions.ts';
import { rolesWithin } from '#core/aws/arn.ts';
import { awsPartitionOf } from '#core/aws/partitions.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import type { Infer } from '#core/schema/schema.ts';
import { openApi, type Api } from '#client/api.ts';
import type { ClusterView } from '#client/cluster-view.ts';
import type { Membership } from '#client/member/membership.ts';
import { appLabels, type AppSpec } from '#kinds/app/kind.ts';
import type { Halves } from '../app/cookies.ts';
import type { AppOrigins } from '../app/origins.ts';
import type { AuthDoor } from '../listen/auth-door.ts';
import { ipOf, type Origin } from '../listen/origin.ts';

export interface PeopleOptions {
  readonly authDoor: Pick<AuthDoor, 'dial'>;
  readonly membership: Pick<Membership, 'api'>;
  readonly view: Pick<ClusterView, 'accessSet' | 'appServers' | 'tlsAuthorities'>;
  readonly apps: AppOrigins;
}

/** An application as the page shows it. */
export interface ShownApp {
  readonly name: string;
  readonly description: string;
  /** Where it begins. */
  readonly url: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Roles of AWS to choose from; left out for others. */
  readonly aws_roles?: readonly string[];
}

export interface People {
  /** Errors are those of auth, UNAVAILABLE when it cannot be reached. */
  logIn(request: Infer<typeof createWebSession.request>, origin: Origin): Promise<OpenedSession>;
  /** UNAUTHENTICATED when there is no such session. */
  open(halves: Halves, origin: Origin): Promise<UserIdentity>;
  logOut(halves: Halves, origin: Origin): Promise<void>;
  /** Those that the roles show, by name. */
  appsOf(identity: UserIdentity): readonly ShownApp[];
  /** A code to begin at an application with. As `open`. */
  launch(halves: Halves, wish: LaunchWish, origin: Origin): Promise<string>;
}

export type OpenedSession = Infer<typeof createWebSession.reply>;

export interface LaunchWish {
  readonly app: string;
  readonly state: string;
  readonly awsRole?: string | undefined;
}

const TIMEOUT_MS = 15_000;
const ACCOUNT_LABEL = 'aws_account_id';

export function openPeople(options: PeopleOptions): People {
  const { membership, view, apps } = options;
  return {
    logIn: (request, origin) => relayed(options, origin, (api) => api.call(createWebSession, request)),
    async open(halves, origin) {
      const { identity } = await membership.api().call(openWebSession, { ...halves, address: ipOf(origin) });
      const read = parseIdentity(identity);
      if (read.kind === 'user') return read;
      throw new GatehouseError('UNAUTHENTICATED', 'the session is not of a user');
    },
    async logOut(halves, origin) {
      await membership.api().call(endWebSession, { ...halves, address: ipOf(origin) });
    },
    appsOf: (identity) => shownApps(identity, view, apps),
    async launch(halves, { app, state, awsRole }, origin) {
      const { code } = await membership.api().call(launchApp, {
        ...halves,
        address: ipOf(origin),
        app,
        state,
        ...(awsRole === undefined ? {} : { aws_role: awsRole }),
      });
      return code;
    },
  };
}

/** As the person: auth is told the address of the browser, for its limits and its log. */
async function relayed<T>(
  { authDoor, view }: PeopleOptions,
  origin: Origin,
  call: (api: Api) => Promise<T>,
): Promise<T> {
  const api = openApi({
    addresses: ['auth:0'],
    authorities: view.tlsAuthorities('host'),
    timeoutMs: TIMEOUT_MS,
    dial: () => authDoor.dial(origin),
  });
  try {
    return await call(api);
  } finally {
    api.close();
  }
}

function shownApps(
  identity: UserIdentity,
  view: Pick<ClusterView, 'accessSet' | 'appServers'>,
  apps: AppOrigins,
): readonly ShownApp[] {
  const access = view.accessSet(identity);
  const found = new Map<string, ShownApp>();
  for (const { spec } of view.appServers()) {
    const { app } = spec;
    const { name } = app.metadata;
    const target = { name, labels: appLabels(app) };
    if (found.has(name) || !isVisible(access, 'app', target)) continue;
    const roles = rolesOf(app, () => grantedNames(access, 'aws_role_arns', { kind: 'app', target }).values);
    found.set(name, {
      name,
      description: app.metadata.description ?? '',
      url: `${apps.urlOf(app)}/`,
      labels: target.labels as Readonly<Record<string, string>>,
      ...(roles === undefined ? {} : { aws_roles: roles }),
    });
  }
  return [...found.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
}

function rolesOf(app: Resource<AppSpec>, granted: () => readonly string[]): readonly string[] | undefined {
  const partition = awsPartitionOf(app.spec.uri);
  if (partition === undefined) return undefined;
  const accountId = appLabels(app)[ACCOUNT_LABEL];
  return rolesWithin(granted(), { partition, accountId }).map(({ arn }) => arn);
}
