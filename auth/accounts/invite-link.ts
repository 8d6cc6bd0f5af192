// The secret of an invite and what is kept of it. The token is in the link and nowhere else: the store has its hash,
// which is the name of the record, so that it is found without comparing secrets.
import { createHash, randomBytes } from 'node:crypto';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';

const TOKEN_BYTES = 32;

/** 256 random bits in hex. */
export function newInviteToken(): Secret {
  return new Secret(randomBytes(TOKEN_BYTES).toString('hex'));
}

/** Any text has one; only that of a token is the name of a record. */
export function inviteName(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** `publicAddress` is `host:port`. */
export function inviteUrl(publicAddress: string, token: string): string {
  return `https://${publicAddress}/web/newuser/${token}`;
}

/** The same for tokens that never were, are used, replaced or expired. */
export function deadLink(): GatehouseError {
  return new GatehouseError(
    'NOT_FOUND',
    'the link is not valid: it was used, replaced by a newer one, or has expired; ask an admin for a new one',
  );
}
