// Auth as an agent of databases sees it, without a server: people with certificates for databases, and client certificates for
// accounts by the real issuing code. Its time is the real one where a real PostgreSQL looks at the certificates.
import { databaseClientCertificate } from '#core/api/database.ts';
import { ISSUE_HANDLERS } from '#auth/issue/handlers.ts';
import { forUser, validUntil } from '#auth/issue/modifiers.ts';
import { makePlan, startPlan } from '#auth/issue/plan.ts';
import { signPlan } from '#auth/issue/sign.ts';
import { readTlsKey } from '#auth/issue/subject-keys.ts';
import type { Api } from '#client/api.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { Identity, UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { callerOf, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from './auth-context.ts';

export const DB_HOST = '11111111-2222-4333-8444-555555555555';
export const DB_AGENT: Identity = {
  kind: 'host',
  cluster: CLUSTER,
  host_id: DB_HOST,
  name: 'a',
  roles: ['db'],
};

export interface DbPeople extends TestAuth {
  put(...resources: Resource[]): Promise<void>;
  /** DER of a certificate for the database `orders`, and what `more` says otherwise. */
  shown(user: string, more?: Partial<UserIdentity>, minutes?: number): Promise<Uint8Array>;
  /** As the agent calls auth. */
  readonly api: Pick<Api, 'call'>;
  /** PEM of the authority that signs for accounts. */
  readonly dbAuthority: string;
}

/** The caller closes it. */
export async function startDbPeople(options: { readonly realTime?: boolean } = {}): Promise<DbPeople> {
  const test = await startTestAuth();
  if (options.realTime === true) test.clock.step(Date.now() - test.clock.now());
  const call = async (endpoint: { readonly path: string }, request: unknown): Promise<unknown> => {
    const found = ISSUE_HANDLERS.find((one) => one.endpoint.path === endpoint.path);
    if (found === undefined || found.endpoint.path !== databaseClientCertificate.path)
      throw new Error(`this house does not answer ${endpoint.path}`);
    return found.handle(test.context, callerOf(DB_AGENT), request, {});
  };
  return {
    ...test,
    api: { call: call as Api['call'] },
    dbAuthority: test.authorities.publicPart('db').tlsCertificates.join(''),
    async put(...resources) {
      await test.state.write(resources.map((resource) => ({ do: 'put', resource })));
    },
    async shown(name, more = {}, minutes = 30) {
      const user = test.state.get('user', name) as Resource<{ uid?: string; roles: string[] }>;
      const end = test.clock.now() + minutes * 60_000;
      const identity: UserIdentity = {
        kind: 'user',
        cluster: CLUSTER,
        name,
        ...(user.spec.uid === undefined ? {} : { uid: user.spec.uid }),
        roles: user.spec.roles,
        traits: {},
        logins: [],
        usage: 'db',
        route_to_database: { service: 'orders', protocol: 'postgres' },
        session_expires: new Date(end).toISOString(),
        ...more,
      };
      const key = readTlsKey(makeKeyTexts().tls_public_key);
      const plan = makePlan(
        startPlan('user', { tls: key }, test.clock.now()),
        [forUser(identity), validUntil(end)],
        [],
      );
      const { tls } = await signPlan(test.context, plan, { type: 'user', method: 'test' });
      return derFromPem(tls);
    },
  };
}
