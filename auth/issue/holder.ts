// Whoever gets a certificate must still be there, and nobody of them locked: what guard/holder.ts finds, as errors.
import { GatehouseError } from '#core/errors/error.ts';
import {
  holderLeft,
  hostLoss,
  isLoss,
  userLeft,
  type Held,
  type HolderSource,
  type Loss,
  type User,
} from '../guard/holder.ts';

/** NOT_FOUND when there is no such user; LOCKED when it, one of its roles, or the factor that was used is locked. */
export function requireUser(source: HolderSource, name: string, mfaDevice?: string): User {
  return required(userLeft(source, name, mfaDevice));
}

/**
 * The user a certificate was made for: NOT_FOUND as well when another one has the name now. LOCKED as requireUser. The
 * same of who asked for the certificate on behalf of this user.
 */
export function requireHolder(source: HolderSource, identity: Held): User {
  return required(holderLeft(source, identity));
}

/** LOCKED when a lock is in force on the host. */
export function requireHostUnlocked(source: HolderSource, hostId: string): void {
  const loss = hostLoss(source, hostId);
  if (loss !== undefined) throw lossError(loss);
}

function required(found: User | Loss): User {
  if (isLoss(found)) throw lossError(found);
  return found;
}

function lossError(loss: Loss): GatehouseError {
  switch (loss.why) {
    case 'gone':
      return new GatehouseError('NOT_FOUND', `user/${loss.user} does not exist`);
    case 'replaced':
      return new GatehouseError(
        'NOT_FOUND',
        `the user/${loss.user} of the certificate does not exist any more`,
      );
    case 'user-locked':
      return new GatehouseError('LOCKED', loss.message || 'the user is locked');
    case 'lock':
      return new GatehouseError('LOCKED', loss.message || 'a lock is in force');
  }
}
