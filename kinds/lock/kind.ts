// A lock: shuts out a user, a role, a login, a server and so on, at once and until it expires or is removed.
import type { Lock } from '#core/access/locks.ts';
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { tokenDigest } from '../token/kind.ts';

const name = (description: string) => s.optional(s.string({ maxLength: 253, description }));

const target = s.object({
  user: name('A user, by name.'),
  role: name('Everybody who holds the role.'),
  login: name('An account on servers.'),
  node: name('Older name of server_id.'),
  server_id: name('A server or agent, by its id: it is shut out of the cluster.'),
  mfa_device: name('Whoever proves themselves with the device, by its id.'),
  windows_desktop: name('A desktop, by name.'),
  access_request: name('Whoever was raised by the request, by its id.'),
  device: name('A trusted device, by its id.'),
  bot_instance_id: name('One instance of a bot.'),
  join_token: name('Whoever joins with the token, by its name; kept as a digest, as the name is a secret.'),
});

const spec = s.object({
  target,
  message: s.optional(s.string({ maxLength: 1024, description: 'Shown to those who are locked out.' })),
  expires: s.optional(s.timestamp({ description: 'The lock is in force until then.' })),
  created_at: s.optional(s.timestamp({ description: 'Set by the auth service.' })),
  created_by: s.optional(s.string({ maxLength: 253, description: 'Set by the auth service.' })),
});

export type LockSpec = s.Infer<typeof spec>;

export const lockKind = defineKind<LockSpec>({
  name: 'lock',
  description: 'Shuts out what it targets, at once.',
  versions: ['v2'],
  spec,
  columns: [
    { title: 'ID', value: (lock) => lock.metadata.name },
    { title: 'Target', value: (lock) => targetText(lock.spec) },
    { title: 'Message', value: (lock) => lock.spec.message ?? '' },
    { title: 'Expires', value: (lock) => lock.spec.expires ?? lock.metadata.expires ?? 'never' },
  ],
  normalize: withoutTokenName,
  check: checkLock,
});

const DIGEST = /^(?:|sha256:[0-9a-f]{64})$/;

/** Every host reads locks, and their targets are in the audit log. */
function withoutTokenName(lock: Resource<LockSpec>): Resource<LockSpec> {
  const { join_token } = lock.spec.target;
  if (join_token === undefined || DIGEST.test(join_token)) return lock;
  const hidden = { ...lock.spec.target, join_token: tokenDigest(join_token) };
  return { ...lock, spec: { ...lock.spec, target: hidden } };
}

/** The lock as core/access/locks.ts takes it; the earlier of the two expiries counts. */
export function lockOf(lock: Resource<LockSpec>): Lock {
  const times = [lock.spec.expires, lock.metadata.expires].flatMap((time) =>
    time === undefined ? [] : [Date.parse(time)],
  );
  return {
    name: lock.metadata.name,
    target: lock.spec.target,
    message: lock.spec.message,
    ...(times.length === 0 ? {} : { expires: Math.min(...times) }),
  };
}

function checkLock(lock: Resource<LockSpec>): Problem[] {
  const { target: wanted } = lock.spec;
  if (Object.values(wanted).some((value) => value !== '')) {
    const both = wanted.node && wanted.server_id && wanted.node !== wanted.server_id;
    if (!both) return [];
    return [{ path: ['spec', 'target', 'node'], message: 'must be equal to server_id or be left out' }];
  }
  return [
    {
      path: ['spec', 'target'],
      message:
        'must name what is locked, such as user, role, login or server_id; a lock on nothing locks nothing',
    },
  ];
}

function targetText({ target: wanted }: LockSpec): string {
  return Object.entries(wanted)
    .filter(([, value]) => value !== '')
    .map(([field, value]) => `${field}=${value}`)
    .join(' ');
}
