// Passwords, second factors, counted failures and open invites of users that are deleted or made: a user of the same
// name who comes later must never be let in with what belonged to the one before.
import type { Change, ClusterState } from '../state/state.ts';
import { inviteKind } from '#kinds/invite/kind.ts';
import { loginAttemptsKind } from '#kinds/login-attempts/kind.ts';
import { mfaDeviceKind } from '#kinds/mfa-device/kind.ts';
import { userPasswordKind } from '#kinds/user-password/kind.ts';

/** Deletes of every credential there is of `users`, to go into the same write. */
export async function credentialsOf(
  state: Pick<ClusterState, 'read' | 'readAll'>,
  users: readonly string[],
): Promise<readonly Change[]> {
  if (users.length === 0) return [];
  const changes: Change[] = [];
  const remove = (kind: string, name: string): void => {
    changes.push({ do: 'delete', kind, name, ifPresent: true });
  };
  const gone = new Set(users);
  for (const user of users) {
    for (const kind of [userPasswordKind, loginAttemptsKind] as const) {
      const record = await state.read<unknown>(kind, user);
      if (record !== undefined) remove(kind.name, user);
    }
    // Devices are named after their user; the names of others may begin alike.
    for await (const device of state.readAll(mfaDeviceKind, `${user}:`)) {
      if (device.spec.user === user) remove(mfaDeviceKind.name, device.metadata.name);
    }
  }
  for await (const invite of state.readAll(inviteKind)) {
    if (gone.has(invite.spec.user)) remove(inviteKind.name, invite.metadata.name);
  }
  return changes;
}
