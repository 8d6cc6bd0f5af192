// What must hold for any certificate before it is signed, one named rule each. They run after all modifiers, so that
// no order of modifiers can get around them.
import { refuseInput } from '#core/certs/refusal.ts';
import { requireSoundPrincipals } from '#core/certs/ssh/policy.ts';
import { formatDuration } from '#core/duration.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { CertificateAuthorities } from '../authority/authority.ts';
import type { Validator } from './plan.ts';

export const MIN_TTL_MS = 60_000;
/** Certificates end on whole seconds, and ends are rounded down. */
const ROUNDING_MS = 1000;

/** At least a minute and at most `maxMs` from now. */
export const requireTtlWithin =
  (maxMs: number): Validator =>
  ({ now, validBefore }) => {
    const ttl = validBefore - now;
    if (ttl > MIN_TTL_MS - ROUNDING_MS && ttl <= maxMs) return;
    throw new GatehouseError(
      'BAD_REQUEST',
      `the certificate would be valid for ${formatDuration(Math.max(ttl, 0))}; from ${formatDuration(MIN_TTL_MS)} to ${formatDuration(maxMs)} is allowed`,
      { details: { field: 'ttl' } },
    );
  };

/** The rules that readers of certificates apply too: a comma or a space would make two principals of one. */
export const requirePrincipals: Validator = ({ principals }) =>
  requireSoundPrincipals(principals, refuseInput);

/** Whoever got its own certificate for the key of an authority could pass it on as an authority. */
export const requireForeignKey =
  (authorities: Pick<CertificateAuthorities, 'isOwnKey'>): Validator =>
  ({ keys }) => {
    const isOwn =
      authorities.isOwnKey(keys.tls) || (keys.ssh !== undefined && authorities.isOwnKey(keys.ssh.key));
    if (!isOwn) return;
    throw new GatehouseError('BAD_REQUEST', 'the public key is that of an authority; make a new key pair');
  };

/** What is no member of the cluster must not be taken for one. */
export const requireNoIdentity: Validator = ({ identity, extensions }) => {
  if (identity === undefined && Object.keys(extensions).length === 0) return;
  throw new GatehouseError('INTERNAL', 'a certificate for plain sshd carries an identity');
};

/** An identity is for the authority of its kind only. */
export const requireFittingAuthority: Validator = ({ authority, identity }) => {
  const kind = identity?.kind;
  const fitting = kind === undefined ? 'db' : kind === 'host' ? 'host' : 'user';
  if (authority === fitting) return;
  throw new GatehouseError(
    'INTERNAL',
    `a ${kind ?? 'nameless'} identity is not for the ${authority} authority`,
  );
};
