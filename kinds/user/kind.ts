// A person or machine account of the cluster: its roles and traits. Passwords and devices are kept elsewhere,
// so that this record can be read, printed and backed up without secrets.
import { defineKind, type Reader } from '#core/kind.ts';
import { resourceName, type Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import { nearest } from '#core/schema/nearest.ts';
import * as s from '#core/schema/schema.ts';

/** Leaves room for the names of records that belong to a user, such as `mfa_device`. */
const MAX_NAME = 200;
/** What may stand in a login: it becomes a principal of SSH certificates, where a comma would make two of one. */
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const BAD_LOGIN = /[\s,/\u0000-\u001f\u007f]/u;

const status = s.object({
  is_locked: s.withDefault(s.boolean({ description: 'The user may not log in.' }), false),
  lock_expires: s.optional(s.timestamp({ description: 'The lock ends by itself at this time.' })),
  locked_time: s.optional(s.timestamp({ description: 'When the user was locked.' })),
  locked_message: s.optional(s.string({ maxLength: 1024, description: 'Shown to the locked user.' })),
});

const createdBy = s.object({
  time: s.optional(s.timestamp()),
  user: s.optional(s.object({ name: s.string({ maxLength: 253 }) })),
  connector: s.optional(
    s.object({
      type: s.optional(s.string()),
      id: s.optional(s.string()),
      identity: s.optional(s.string()),
    }),
  ),
});

const spec = s.object({
  uid: s.optional(
    s.string({
      maxLength: 64,
      description: 'Set by the auth service: tells apart users who have the same name one after the other.',
    }),
  ),
  roles: s.withDefault(
    s.list(s.string({ format: resourceName }), {
      single: true,
      max: 256,
      description: 'Names of the roles of the user; without roles the user may do nothing.',
    }),
    [],
  ),
  traits: s.withDefault(
    s.map(s.list(s.string({ maxLength: 1024 }), { single: true, max: 256 }), {
      max: 256,
      description: 'Facts about the user that roles refer to, such as `logins`.',
    }),
    {},
  ),
  status: s.optional(status),
  expires: s.optional(s.timestamp({ description: 'Kept as metadata.expires.' })),
  created_by: s.optional(createdBy),
  local_auth: s.optional(
    s.json({ secret: true, description: 'Refused: passwords are never part of this resource.' }),
  ),
});

export type UserSpec = s.Infer<typeof spec>;

export const userKind = defineKind<UserSpec>({
  name: 'user',
  description: 'An account of the cluster, with its roles and traits.',
  versions: ['v2'],
  spec,
  columns: [
    { title: 'User', value: (user) => user.metadata.name },
    { title: 'Allowed Logins', value: (user) => (user.spec.traits['logins'] ?? []).join(',') },
    { title: 'Roles', value: (user) => user.spec.roles.join(',') },
  ],
  normalize: keepOneExpiry,
  check: checkUser,
  checkWrite: (user, reader) => checkRoles(user.spec.roles, reader),
});

/** Whether the user's own record locks it at `now`, milliseconds since the epoch. Locks of the kind `lock` are apart. */
export function isUserLocked({ status: own }: UserSpec, now: number): boolean {
  if (own?.is_locked !== true) return false;
  return own.lock_expires === undefined || Date.parse(own.lock_expires) > now;
}

/** Old files write the expiry in the spec; it is moved to the metadata unless the two disagree. */
function keepOneExpiry(user: Resource<UserSpec>): Resource<UserSpec> {
  const { expires, ...rest } = user.spec;
  const { metadata } = user;
  if (expires === undefined || (metadata.expires !== undefined && metadata.expires !== expires)) return user;
  return { ...user, metadata: { ...metadata, expires }, spec: rest };
}

function checkUser(user: Resource<UserSpec>): Problem[] {
  const problems: Problem[] = [];
  if (user.metadata.name.length > MAX_NAME) {
    problems.push({ path: ['metadata', 'name'], message: `must have at most ${MAX_NAME} characters` });
  }
  if (user.spec.local_auth !== undefined) {
    problems.push({
      path: ['spec', 'local_auth'],
      message:
        'must be left out: passwords and second factors are never part of a user; the user sets them through `gatectl users add` or `gatectl users reset`',
    });
  }
  if (user.spec.expires !== undefined) {
    problems.push({
      path: ['spec', 'expires'],
      message: 'must be equal to metadata.expires or be left out',
    });
  }
  (user.spec.traits['logins'] ?? []).forEach((login, index) => {
    if (BAD_LOGIN.test(login)) {
      problems.push({
        path: ['spec', 'traits', 'logins', index],
        message:
          'must not hold a space, comma, slash or control character; write several logins as several entries of the list',
      });
    }
  });
  return problems;
}

function checkRoles(roles: readonly string[], reader: Reader): Problem[] {
  const problems: Problem[] = [];
  roles.forEach((role, index) => {
    if (reader.get('role', role) !== undefined) return;
    const known = [...reader.list('role')].map((other) => other.metadata.name);
    const hint = nearest(role, known);
    const suggestion =
      hint === undefined
        ? '; create the role first, or list roles with `gatectl get roles`'
        : `; did you mean "${hint}"?`;
    problems.push({
      path: ['spec', 'roles', index],
      message: `names the role "${role}", which does not exist${suggestion}`,
    });
  });
  return problems;
}
