// Which databases and applications somebody can use now, and as whom: asked for certificates and by those who choose a name
// to connect with. Apart from target.ts because both ask, and only one of them signs.
import type { AccessSet } from '#core/access/compile.ts';
import { decideTarget, grantedNames, isVisible } from '#core/access/decide.ts';
import type { MergedOptions } from '#core/access/options.ts';
import type { Target } from '#core/access/target.ts';
import { rolesWithin } from '#core/aws/arn.ts';
import { awsPartitionOf } from '#core/aws/partitions.ts';
import type { TargetGrants } from '#core/api/targets.ts';
import type { Resource } from '#core/resource.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import { isAwsApp, type AppSpec } from '#kinds/app/kind.ts';
import type { DbServerSpec } from '#kinds/db-server/kind.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import { appTarget, dbTarget } from '../guard/labelled.ts';
import type { IssueContext } from './context.ts';

/** What is served under one name, as one agent says it. */
export interface DbPlace {
  readonly target: Target;
  readonly database: Resource<DbSpec>;
}

export interface AppPlace {
  readonly target: Target;
  readonly app: Resource<AppSpec>;
}

/** Those that the roles show. */
export function dbPlaces({ state }: Pick<IssueContext, 'state'>, access: AccessSet, name: string): DbPlace[] {
  return [...state.list('db_server')]
    .map((resource) => resource as Resource<DbServerSpec>)
    .filter(({ spec }) => spec.database.metadata.name === name)
    .map((server) => ({ target: dbTarget(server), database: server.spec.database }))
    .filter(({ target }) => isVisible(access, 'db', target));
}

export function appPlaces(
  { state }: Pick<IssueContext, 'state'>,
  access: AccessSet,
  name: string,
): AppPlace[] {
  return [...state.list('app_server')]
    .map((resource) => resource as Resource<AppServerSpec>)
    .filter(({ spec }) => spec.app.metadata.name === name)
    .map((server) => ({ target: appTarget(server), app: server.spec.app }))
    .filter(({ target }) => isVisible(access, 'app', target));
}

export interface Usable<P> {
  readonly place: P;
  readonly options: MergedOptions;
}

/** Why nothing of it can be used, for admins. */
export interface Unusable {
  readonly reasons: readonly string[];
}

/** The first place where the roles let the person be this account; any account that they grant when it is left out. */
export function usableDb(
  access: AccessSet,
  places: readonly DbPlace[],
  names: { readonly username?: string | undefined; readonly database?: string | undefined },
): Usable<DbPlace> | Unusable {
  return firstOf(places, (place) => {
    const on = { kind: 'db', target: place.target } as const;
    const granted = grantedNames(access, 'db_users', on);
    // Whoever may be any account may be the one of the own name; who may be none is refused for that name.
    const own = access.subject.name;
    const user = names.username ?? (granted.any ? own : (granted.values[0] ?? own));
    const makesUsers = place.database.spec.admin_user !== undefined;
    return decideTarget(access, { ...on, user, database: names.database ?? null, makesUsers });
  });
}

/** The same for an application; `awsRole` is set for those of AWS and for no other. */
export function usableApp(
  access: AccessSet,
  places: readonly AppPlace[],
  awsRole: string | undefined,
): Usable<AppPlace> | Unusable {
  const fitting = places.filter(({ app }) => isAwsApp(app.spec) === (awsRole !== undefined));
  return firstOf(fitting, ({ target, app }) => {
    if (awsRole === undefined) return decideTarget(access, { kind: 'app', target });
    if (!awsRolesOf(access, { target, app }).includes(awsRole)) {
      return {
        allowed: false,
        reasons: [{ text: `no role gives ${JSON.stringify(awsRole.slice(0, 128))}` }],
      };
    }
    return decideTarget(access, { kind: 'aws', target, roleArn: awsRole });
  });
}

type Decision =
  | { readonly allowed: true; readonly options: MergedOptions }
  | { readonly allowed: false; readonly reasons: readonly { readonly text: string }[] };

function firstOf<P>(places: readonly P[], decide: (place: P) => Decision): Usable<P> | Unusable {
  let reasons: readonly string[] = ['no agent serves it, or no role shows it'];
  for (const place of places) {
    const decision = decide(place);
    if (decision.allowed) return { place, options: decision.options };
    reasons = decision.reasons.map(({ text }) => text);
  }
  return { reasons };
}

/** The label by which an application stands for one account of AWS. */
const ACCOUNT_LABEL = 'aws_account_id';

/** The roles of AWS that somebody may take there: of its partition, and of its account where a label says which. */
export function awsRolesOf(access: AccessSet, { target, app }: AppPlace): readonly string[] {
  const partition = awsPartitionOf(app.spec.uri);
  if (partition === undefined) return [];
  const { values } = grantedNames(access, 'aws_role_arns', { kind: 'app', target });
  return rolesWithin(values, { partition, accountId: target.labels[ACCOUNT_LABEL] }).map(({ arn }) => arn);
}

const NOTHING = { values: [], any: false };

/** What the roles give at all places together: a name that one of them takes is one to offer. */
export function grantsAt(
  access: AccessSet,
  { dbs = [], apps = [] }: { readonly dbs?: readonly DbPlace[]; readonly apps?: readonly AppPlace[] },
): TargetGrants {
  const names = (field: 'db_users' | 'db_names'): TargetGrants['db_users'] => {
    const found = dbs.map(({ target }) => grantedNames(access, field, { kind: 'db', target }));
    return found.length === 0
      ? NOTHING
      : { values: unique(found.flatMap(({ values }) => values)), any: found.some(({ any }) => any) };
  };
  return {
    db_users: names('db_users'),
    db_names: names('db_names'),
    denied_db_users: dbs.length === 0 ? [] : [...access.denied('db_users').values],
    denied_db_names: dbs.length === 0 ? [] : [...access.denied('db_names').values],
    aws_role_arns: unique(apps.flatMap((place) => awsRolesOf(access, place))),
    creates_db_user: dbs.some((place) => makesUser(access, place)),
  };
}

function makesUser(access: AccessSet, { target, database }: DbPlace): boolean {
  if (database.spec.admin_user === undefined) return false;
  const user = access.subject.name;
  const decision = decideTarget(access, { kind: 'db', target, user, database: null, makesUsers: true });
  return decision.allowed && decision.options.dbUserMode !== 'off';
}

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)].sort();
