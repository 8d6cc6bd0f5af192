// Why a key or certificate was refused, as a closed list. One rule is often checked twice (when we issue, and
// when a peer presents), so each rule takes a Refuse and the caller decides whose fault it is.
import { GatehouseError } from '../errors/error.ts';

export const REFUSAL_REASONS = [
  'malformed',
  'too-large',
  'trailing-bytes',
  'unsupported-key',
  'weak-key',
  'bad-key',
  'key-is-certificate',
  'authority-is-certificate',
  'not-an-authority',
  'unknown-authority',
  'signature-algorithm',
  'bad-signature',
  'wrong-type',
  'validity-bounds',
  'not-yet-valid',
  'expired',
  'principals',
  'principal-not-listed',
  'key-id',
  'option',
  'options-order',
  'unknown-critical-option',
  'source-address',
  'name',
  'alternative-name',
  'serial',
  'extension',
  'unknown-critical-extension',
  'key-usage',
  'issuer-mismatch',
  'path-length',
  'identity',
  'pin',
] as const;

export type RefusalReason = (typeof REFUSAL_REASONS)[number];

/** Makes (never throws) the error for one broken rule; `details.reason` holds the reason. */
export type Refuse = (reason: RefusalReason, message: string, cause?: unknown) => GatehouseError;

/** For what a peer presents: CERTIFICATE_INVALID. */
export const refuseCertificate: Refuse = (reason, message, cause) =>
  new GatehouseError('CERTIFICATE_INVALID', message, { details: { reason }, cause });

/** For what a caller asks us to issue or read: BAD_REQUEST. */
export const refuseInput: Refuse = (reason, message, cause) =>
  new GatehouseError('BAD_REQUEST', message, { details: { reason }, cause });
