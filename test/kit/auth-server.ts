// A whole auth service for tests: memory storage, loopback, certificates of any sort at hand, and a plain client that
// shows status and body. Its clock stands at the real time of the start, because TLS itself knows no other.
import { randomUUID, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { AuthorityType } from '#auth/authority/authority.ts';
import { startAuth, type Auth, type AuthOptions } from '#auth/main.ts';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { identityName, type Identity, type SystemRole } from '#core/identity.ts';
import { parseResource } from '#core/kind.ts';
import { silentLog, type Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { AuditEvent } from '#events/catalogue.ts';
import { kindOf } from '#kinds/all.ts';
import { presetRoles } from '#kinds/role/presets.ts';
import type { UserSpec } from '#kinds/user/kind.ts';
import { FakeClock } from './clock.ts';

export const TEST_CLUSTER = 'test.example.com';
const HOUR_MS = 3_600_000;

/** What a client shows; undefined for a client without a certificate. */
export interface TestClient {
  readonly certificate: string;
  readonly privateKey: string;
  readonly identity: Identity;
  readonly expires: number;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The JSON of the body; undefined when it is none. */
  readonly body: Record<string, unknown> | undefined;
}

export interface IssueOptions {
  readonly ttlMs?: number;
  readonly cluster?: string;
  /** Which authority signs; the right one unless said otherwise. */
  readonly signedBy?: AuthorityType;
  /** An authority of somebody else. */
  readonly authorities?: Auth['authorities'];
  readonly usage?: 'client' | 'server' | 'both';
  /** Fields of the identity to set. */
  readonly identity?: object;
}

export interface TestAuth {
  readonly auth: Auth;
  readonly url: string;
  readonly clock: FakeClock;
  readonly dataDir: string;
  /** PEM of the host authority. */
  readonly authority: string;
  /** The local admin. */
  readonly admin: TestClient;
  /** A certificate for a user, who is put in the state with these roles unless `roles` is left out. */
  issueUser(
    name: string,
    roles?: readonly string[],
    options?: IssueOptions & { traits?: object },
  ): Promise<TestClient>;
  issueHost(roles: readonly SystemRole[], options?: IssueOptions & { hostId?: string }): TestClient;
  issue(identity: Identity, options?: IssueOptions): TestClient;
  put(kind: string, name: string, spec: object, metadata?: object): Promise<void>;
  remove(kind: string, name: string): Promise<void>;
  call(client: TestClient | undefined, method: string, path: string, body?: unknown): Promise<TestAnswer>;
  /** The head of a reply, whose body the caller reads or destroys. */
  open(client: TestClient | undefined, path: string): Promise<IncomingMessage>;
  /** All audit events so far, oldest first. */
  events(): Promise<readonly AuditEvent[]>;
  close(): Promise<void>;
}

export interface TestAuthOptions {
  readonly log?: Log;
  readonly limits?: AuthOptions['limits'];
  readonly clusterName?: string;
  readonly storage?: AuthOptions['storage'];
  readonly clock?: FakeClock;
  readonly apiServer?: AuthOptions['apiServer'];
}

/** The caller closes it. Preset roles are there. */
export async function startTestAuth(options: TestAuthOptions = {}): Promise<TestAuth> {
  const clock = options.clock ?? new FakeClock(Date.now());
  const clusterName = options.clusterName ?? TEST_CLUSTER;
  const dataDir = await mkdtemp(join(tmpdir(), 'gatehouse-auth-'));
  const auth = await startAuth({
    clock,
    log: options.log ?? silentLog,
    stdout: new PassThrough(),
    dataDir,
    storage: options.storage ?? { type: 'memory' },
    auditEventsUris: [],
    listen: { host: '127.0.0.1', port: 0 },
    names: [],
    nodeName: 'auth-1',
    clusterName,
    publicAddress: 'proxy.test.example.com:443',
    version: '0.1.0',
    limits: options.limits,
    apiServer: options.apiServer,
  });
  const missing = presetRoles().filter((role) => auth.state.get('role', role.metadata.name) === undefined);
  await auth.state.write(missing.map((resource) => ({ do: 'create', resource })));
  const authority = auth.authorities.publicPart('host').tlsCertificates.join('');
  const agents = new Map<TestClient | undefined, Agent>();
  const issue = (identity: Identity, about: IssueOptions = {}): TestClient =>
    issueClient(auth, clock, identity, about);
  const put = async (kind: string, name: string, spec: object, metadata: object = {}): Promise<void> => {
    const resource = parseResource(kindOf(kind), { kind, metadata: { name, ...metadata }, spec });
    await auth.state.write([{ do: 'put', resource }]);
  };
  const agentOf = (client: TestClient | undefined): Agent => {
    const agent = agents.get(client) ?? makeAgent(authority, client);
    agents.set(client, agent);
    return agent;
  };
  const open = (
    client: TestClient | undefined,
    method: string,
    path: string,
    body?: unknown,
  ): Promise<IncomingMessage> => send({ agent: agentOf(client), port: auth.port, method, path, body });

  return {
    auth,
    url: `https://127.0.0.1:${auth.port}`,
    clock,
    dataDir,
    authority,
    admin: issue({ kind: 'admin', cluster: clusterName, name: 'local-admin' }),
    async issueUser(name, roles, about = {}) {
      const { traits = {}, ...rest } = about;
      if (roles !== undefined) await put('user', name, { roles, traits });
      const user = auth.state.get('user', name) as Resource<UserSpec> | undefined;
      const uid = user?.spec.uid;
      const identity = userIdentity(clusterName, name, roles ?? [], clock.now() + HOUR_MS);
      return issue({ ...identity, ...(uid === undefined ? {} : { uid }) }, rest);
    },
    issueHost(roles, about = {}) {
      const { hostId = randomUUID(), ...rest } = about;
      return issue({ kind: 'host', cluster: clusterName, host_id: hostId, name: 'host-1', roles }, rest);
    },
    issue,
    put,
    async remove(kind, name) {
      await auth.state.write([{ do: 'delete', kind, name }]);
    },
    async call(client, method, path, body) {
      const response = await open(client, method, path, body);
      const parts: Buffer[] = [];
      for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
      const text = Buffer.concat(parts).toString('utf8');
      return { status: response.statusCode ?? 0, headers: response.headers, text, body: jsonOf(text) };
    },
    open: (client, path) => open(client, 'GET', path),
    async events() {
      const page = await auth.audit.search({
        from: 0,
        to: Number.MAX_SAFE_INTEGER,
        limit: 10_000,
        order: 'asc',
      });
      return page.events;
    },
    async close() {
      for (const agent of agents.values()) agent.destroy();
      await auth.close();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export function userIdentity(
  cluster: string,
  name: string,
  roles: readonly string[],
  sessionExpires: number,
): Extract<Identity, { kind: 'user' }> {
  const session_expires = new Date(sessionExpires).toISOString();
  return { kind: 'user', cluster, name, roles, traits: {}, logins: [], session_expires };
}

function issueClient(auth: Auth, clock: FakeClock, given: Identity, about: IssueOptions): TestClient {
  const identity = {
    ...given,
    ...about.identity,
    ...(about.cluster && { cluster: about.cluster }),
  } as Identity;
  const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
  const expires = clock.now() + (about.ttlMs ?? HOUR_MS);
  const signer = about.signedBy ?? (identity.kind === 'host' ? 'host' : 'user');
  const der = (about.authorities ?? auth.authorities).signTls(signer, {
    subject: publicKey,
    commonName: identityName(identity) || 'nobody',
    organization: [],
    validAfter: Math.min(clock.now(), expires) - HOUR_MS,
    validBefore: expires,
    usage: about.usage ?? 'client',
    dnsNames: [],
    ipAddresses: [],
    identity,
  });
  return { certificate: certificateToPem(der), privateKey: pemOf(privateKey), identity, expires };
}

const pemOf = (key: KeyObject): string => privateKeyPem(key).reveal();

function makeAgent(authority: string, client: TestClient | undefined): Agent {
  return new Agent({
    keepAlive: true,
    ca: authority,
    servername: 'localhost',
    ...(client === undefined ? {} : { cert: client.certificate, key: client.privateKey }),
  });
}

interface Sent {
  readonly agent: Agent;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

function send({ agent, port, method, path, body }: Sent): Promise<IncomingMessage> {
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const headers =
    payload === undefined
      ? {}
      : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
  return new Promise((resolve, reject) => {
    const request = httpsRequest({ host: '127.0.0.1', port, method, path, agent, headers }, resolve);
    request.once('error', reject);
    request.end(payload);
  });
}

function jsonOf(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}
