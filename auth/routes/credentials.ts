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
  const gone = new Set(users);
  const changes: Change[] = [];
  const remove = (kind: string, name: string): void => {
    changes.push({ do: 'delete', kind, name, ifPresent: true });
  };
  for (const user of users) {
    for (const kind of [userPasswordKind.name, loginAttemptsKind.name]) {
      const record =
        kind === userPasswordKind.name
          ? await state.read(userPasswordKind, user)
          : await state.read(loginAttemptsKind, user);
      if (record !== undefined) remove(kind, user);
    }
  }
  for await (const device of state.readAll(mfaDeviceKind)) {
    if (gone.has(device.spec.user)) remove(mfaDeviceKind.name, device.metadata.name);
  }
  for await (const invite of state.readAll(inviteKind)) {
    if (gone.has(invite.spec.user)) remove(inviteKind.name, invite.metadata.name);
  }
  return changes;
}
