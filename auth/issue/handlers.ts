// The routes that give certificates to those who are members already.
import { decideImpersonation } from '#core/access/impersonate.ts';
import { databaseClientCertificate } from '#core/api/database.ts';
import { reissue, signDatabase, signSshd, signUser } from '#core/api/login.ts';
import { relayHost, relayUser } from '#core/api/relay.ts';
import { parseDuration } from '#core/duration.ts';
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { identityName, type UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import type { UserSpec } from '#kinds/user/kind.ts';
import type { Caller } from '../guard/caller.ts';
import { accessOf, rolesLeft } from '../guard/holder.ts';
import { denial } from '../guard/refusals.ts';
import { handler, type Handler } from '../routes/handler.ts';
import type { IssueContext } from './context.ts';
import { issueDatabase } from './database.ts';
import { issueDatabaseClient } from './database-client.ts';
import { requireHolder } from './holder.ts';
import { issueSshd } from './sshd.ts';
import { isRelayRefusal, issueRelayHost, issueRelayUser, type RelayCertificate } from './relay.ts';
import { reissueUser } from './reissue.ts';
import { issueUser } from './user.ts';

const reissueHandler = handler({
  endpoint: reissue,
  access: { to: 'user' },
  async handle(context, caller, request) {
    const { identity, address } = caller;
    if (identity?.kind !== 'user') throw notForThisCaller(context, caller, 'reissue', 'user');
    try {
      return await reissueUser(context, identity, {
        keys: request,
        ttlMs: request.ttl === undefined ? undefined : parseDuration(request.ttl),
        address,
      });
    } catch (error) {
      if (!isCode(error, 'ACCESS_DENIED')) throw error;
      const reasons = [error.message];
      throw denial(context, caller, { action: 'reissue', resource: `user/${identity.name}`, reasons });
    }
  },
});

const signUserHandler = handler({
  endpoint: signUser,
  // The handler decides: the local admin, or a user whose roles let it impersonate this one.
  access: { to: 'members' },
  async handle(context, caller, request) {
    const { identity } = caller;
    const common = {
      user: request.user,
      keys: request,
      ttlMs: parseDuration(request.ttl),
      certFormat: request.cert_format,
    };
    switch (identity?.kind) {
      case 'admin':
        return issueUser(context, {
          ...common,
          beyondRoles: true,
          method: 'sign',
          requestedBy: identityName(identity),
          requestedFrom: caller.address,
        });
      case 'user':
        requireImpersonation(context, caller, identity, request.user);
        return issueUser(context, {
          ...common,
          address: caller.address,
          isPinned: identity.pinned_ip !== undefined,
          impersonator: identity,
          // What is made with a certificate ends with it.
          notAfter: Date.parse(identity.session_expires),
          method: 'impersonation',
          requestedBy: identity.name,
        });
      default:
        throw notForThisCaller(context, caller, 'sign', `user/${request.user}`);
    }
  },
});

const signDatabaseHandler = handler({
  endpoint: signDatabase,
  access: { to: 'resource', kind: 'cert_authority', verbs: ['use'], whole: true },
  async handle(context, caller, request) {
    const { identity } = caller;
    if (identity === undefined || identity.kind === 'host') {
      throw notForThisCaller(context, caller, 'sign', 'cert_authority/db');
    }
    return issueDatabase(context, {
      tlsPublicKey: request.tls_public_key,
      hosts: request.hosts,
      ttlMs: parseDuration(request.ttl),
      requestedBy: identityName(identity),
      address: caller.address,
    });
  },
});

const signSshdHandler = handler({
  endpoint: signSshd,
  access: { to: 'resource', kind: 'cert_authority', verbs: ['use'], whole: true },
  async handle(context, caller, request) {
    const { identity } = caller;
    if (identity === undefined || identity.kind === 'host') {
      throw notForThisCaller(context, caller, 'sign', 'cert_authority/host');
    }
    return issueSshd(context, {
      sshPublicKey: request.ssh_public_key,
      hosts: request.hosts,
      ttlMs: parseDuration(request.ttl),
      requestedBy: identityName(identity),
      address: caller.address,
    });
  },
});

/** The refusal goes to the proxy with the id of the denial, the reasons into the audit log. */
async function forProxy(
  context: IssueContext,
  caller: Caller,
  node: string,
  issue: (proxyId: string) => Promise<RelayCertificate>,
): Promise<RelayCertificate> {
  const { identity } = caller;
  if (identity?.kind !== 'host') throw notForThisCaller(context, caller, 'relay', `node/${node}`);
  try {
    return await issue(identity.host_id);
  } catch (error) {
    if (!isRelayRefusal(error)) throw error;
    throw denial(context, caller, { action: 'relay', resource: `node/${node}`, reasons: [error.message] });
  }
}

const relayHostHandler = handler({
  endpoint: relayHost,
  access: { to: 'host', roles: ['proxy'] },
  handle: (context, caller, { node, ssh_public_key: sshPublicKey }) =>
    forProxy(context, caller, node, (proxyId) => issueRelayHost(context, { node, sshPublicKey, proxyId })),
});

const relayUserHandler = handler({
  endpoint: relayUser,
  access: { to: 'host', roles: ['proxy'] },
  handle: (context, caller, { ssh_public_key: sshPublicKey, ...request }) =>
    forProxy(context, caller, request.node, (proxyId) =>
      issueRelayUser(context, { ...request, sshPublicKey, proxyId }),
    ),
});

const databaseClientHandler = handler({
  endpoint: databaseClientCertificate,
  access: { to: 'host', roles: ['db'] },
  async handle(context, caller, request) {
    const { identity, address } = caller;
    const resource = `db/${request.service}`;
    if (identity?.kind !== 'host') throw notForThisCaller(context, caller, 'db-client', resource);
    try {
      return await issueDatabaseClient(context, { ...request, hostId: identity.host_id, address });
    } catch (error) {
      if (!isCode(error, 'ACCESS_DENIED')) throw error;
      throw denial(context, caller, { action: 'db-client', resource, reasons: [error.message] });
    }
  },
});

export const ISSUE_HANDLERS: readonly Handler[] = [
  reissueHandler,
  signUserHandler,
  signDatabaseHandler,
  signSshdHandler,
  relayHostHandler,
  relayUserHandler,
  databaseClientHandler,
];

/** ACCESS_DENIED unless what is left of the caller's roles may impersonate the user with all of its roles. */
function requireImpersonation(
  context: IssueContext,
  caller: Caller,
  identity: UserIdentity,
  name: string,
): void {
  const refuse = (...reasons: string[]): GatehouseError =>
    denial(context, caller, { action: 'impersonate', resource: `user/${name}`, reasons });
  if (identity.impersonator !== undefined) throw refuse('a certificate made by impersonation makes no other');
  const self = requireHolder(context, identity);
  const access = accessOf(self, rolesLeft(context, self, identity.roles));
  const target = context.state.get('user', name) as Resource<UserSpec> | undefined;
  // Whether a user exists is not for everybody to know: the refusal is the same.
  if (target === undefined) throw refuse(`the user ${JSON.stringify(name.slice(0, 64))} does not exist`);
  const roles = target.spec.roles.map((role) => ({
    name: role,
    labels: context.state.get('role', role)?.metadata.labels,
  }));
  const { labels } = target.metadata;
  const decision = decideImpersonation(access, { user: { name, labels, traits: target.spec.traits }, roles });
  if (!decision.allowed) throw refuse(...decision.reasons.map((reason) => reason.text));
}

function notForThisCaller(
  context: IssueContext,
  caller: Caller,
  action: string,
  resource: string,
): GatehouseError {
  const reasons = [`a ${caller.identity?.kind ?? 'caller without identity'} may not do this`];
  return denial(context, caller, { action, resource, reasons });
}
