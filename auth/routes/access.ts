// Questions of admins about decisions: would this user be let in (can-i), and why was that refused (explain). The
// answers name roles, rules and labels, so they are for those who may read them anyway.
import { checkAccess, explainDenial } from '#core/api/audit.ts';
import { explainAccess } from '#core/access/explain.ts';
import type { AccessSet } from '#core/access/compile.ts';
import type { Reason } from '#core/access/reason.ts';
import { VERBS } from '../guard/access.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { AuditEvent } from '#events/catalogue.ts';
import { KINDS } from '#kinds/all.ts';
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';
import { isUserLocked, type UserSpec } from '#kinds/user/kind.ts';
import { decide } from '../guard/decide.ts';
import { userMayRead } from '../guard/host-access.ts';
import { handler } from './handler.ts';
import type { Route, ServerContext } from './server-context.ts';

interface Answered {
  readonly allowed: boolean;
  readonly reasons: readonly { side: string; role?: string; field?: string; message: string }[];
}

const checkRoute: Route = handler({
  endpoint: checkAccess,
  access: { to: 'resource', kind: 'role', verbs: ['list', 'read'], whole: true },
  async handle(context: ServerContext, caller, request): Promise<Answered> {
    const user = context.state.get('user', request.user) as Resource<UserSpec> | undefined;
    context.guard.requireResource(caller, 'user', 'read', user);
    if (user === undefined) throw new GatehouseError('NOT_FOUND', `there is no user "${request.user}"`);
    const access = context.guard.standings.accessOf(user, user.spec.roles);
    if ('code' in access) {
      return { allowed: false, reasons: access.reasons.map((message) => ({ side: 'deny', message })) };
    }
    const answer =
      request.verb === 'ssh'
        ? checkSsh(context, access, request)
        : checkVerb(context, access, request.verb, request.target);
    if (!isUserLocked(user.spec, context.clock.now())) return answer;
    const locked = { side: 'deny', message: 'the user is locked (spec.status.is_locked)' };
    return { allowed: false, reasons: [locked, ...answer.reasons] };
  },
});

function checkSsh(
  context: ServerContext,
  access: AccessSet,
  { target, login }: { readonly target: string; readonly login?: string },
): Answered {
  if (login === undefined) throw new GatehouseError('BAD_REQUEST', 'login: is needed with the verb ssh');
  const nodes = [...context.state.list('node')] as Resource<NodeSpec>[];
  const node = nodes.find(({ metadata, spec }) => metadata.name === target || spec.hostname === target);
  if (node === undefined) throw new GatehouseError('NOT_FOUND', `there is no node "${target}"`);
  const explained = explainAccess(access, {
    access: {
      target: { kind: 'node', target: { name: node.metadata.name, labels: nodeLabels(node) }, login },
    },
    locks: locksOn(context, access, { login, serverId: node.metadata.name }),
  });
  return { allowed: explained.allowed, reasons: explained.reasons.map(reasonOf) };
}

function checkVerb(context: ServerContext, access: AccessSet, word: string, target: string): Answered {
  const verb = VERBS.find((candidate) => candidate === word);
  if (verb === undefined) {
    throw new GatehouseError('BAD_REQUEST', `verb: must be ssh or one of ${VERBS.join(', ')}`);
  }
  const { kind, audience, resource } = resourceOf(context, target);
  const described = resource && { name: resource.metadata.name, labels: resource.metadata.labels };
  const explained = explainAccess(access, {
    access: { resource: { kind, verb, resource: described } },
    locks: locksOn(context, access, {}),
  });
  const isLocked = explained.reasons[0]?.field === 'lock';
  const answer = decide({ who: 'user', access }, { kind, audience, verb, resource });
  const byTable = answer.allowed && userMayRead(kind, verb);
  const reasons = explained.reasons.map(reasonOf);
  return {
    allowed: answer.allowed && !isLocked,
    reasons: byTable ? [{ side: 'allow', message: `every user may ${verb} ${kind}` }, ...reasons] : reasons,
  };
}

/** `role`, `role/dev`, or a word that rules use for something that is no kind, such as `event`. */
function resourceOf(context: ServerContext, target: string) {
  const [word = '', name] = target.split('/', 2);
  const kind = KINDS.find((one) => [one.name, one.plural, ...one.aliases].includes(word));
  const isCopied = kind !== undefined && kind.audience !== 'internal' && name !== undefined;
  const resource = isCopied ? context.state.get(kind.name, name) : undefined;
  if (name !== undefined && resource === undefined) {
    throw new GatehouseError('NOT_FOUND', `there is no ${word} of this name`);
  }
  return { kind: kind?.name ?? word, audience: kind?.audience, resource };
}

function locksOn(
  { guard, clock }: ServerContext,
  { subject }: AccessSet,
  about: { readonly login?: string; readonly serverId?: string },
) {
  return {
    all: guard.standings.locks(),
    subject: { user: subject.name, roles: subject.roles, ...about },
    now: clock.now(),
  };
}

function reasonOf({ side, role, field, text }: Reason): Answered['reasons'][number] {
  return { side, ...(role === undefined ? {} : { role }), field, message: text };
}

const explainRoute: Route = handler({
  endpoint: explainDenial,
  access: { to: 'resource', kind: 'event', verbs: ['list', 'read'], whole: true },
  async handle(context: ServerContext, _caller, _request, params) {
    const id = (params['id'] ?? '').toLowerCase();
    if (!/^[0-9a-f-]{36}$/.test(id))
      throw new GatehouseError('BAD_REQUEST', 'id: must be the id of a denial');
    const event = await findDenial(context, id);
    if (event === undefined) {
      throw new GatehouseError('NOT_FOUND', 'there is no denial of this id in the audit log');
    }
    const {
      time,
      user = '',
      action = event.event,
    } = event as AuditEvent & { user?: string; action?: string };
    return { denial_id: id, time, user, action, reasons: whyOf(event) };
  },
});

/** The refusal itself holds the reasons; other events of the same id only say what came of it. */
async function findDenial(context: ServerContext, id: string): Promise<AuditEvent | undefined> {
  return (await findNewest(context, id, ['access.denied'])) ?? (await findNewest(context, id, []));
}

/** Newest first: denials are asked about soon after they happen. A page may be empty and not be the last. */
async function findNewest(
  context: ServerContext,
  id: string,
  types: readonly string[],
): Promise<AuditEvent | undefined> {
  let cursor: string | undefined;
  do {
    const page = await context.audit.search({
      from: 0,
      to: Number.MAX_SAFE_INTEGER,
      types,
      search: id,
      limit: 100,
      order: 'desc',
      cursor,
    });
    const found = page.events.find((event) => (event as { denial_id?: string }).denial_id === id);
    if (found !== undefined) return found;
    cursor = page.next;
  } while (cursor !== undefined);
  return undefined;
}

function whyOf(event: AuditEvent): Answered['reasons'] {
  const fields = event as { reasons?: readonly string[]; error?: string; reason?: string };
  const { reasons = [], error, reason = 'the event holds no reason' } = fields;
  const messages = reasons.length > 0 ? reasons : [error ?? reason];
  return messages.map((message) => ({ side: 'deny', message }));
}

export const ACCESS_ROUTES: readonly Route[] = [checkRoute, explainRoute];
