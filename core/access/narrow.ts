// A certificate made from another one never says more than it did: shorter, fewer logins, the same pins. Every reissue
// goes through here, whatever the reason for it.
import { GatehouseError } from '../errors/error.ts';
import { quote } from './reason.ts';
import type { Traits } from './role.ts';

/** What a certificate grants, as far as a reissue could change it. */
export interface Grant {
  readonly user: string;
  /** Tells the user from others who had or will have the name. */
  readonly uid?: string | undefined;
  readonly roles: readonly string[];
  readonly traits: Traits;
  readonly logins: readonly string[];
  /** Milliseconds since the epoch; no later certificate may outlive it. */
  readonly expires: number;
  readonly pinnedIp?: string | undefined;
  /** Where it may be used; unset is everywhere. */
  readonly usage?: string | undefined;
  readonly impersonator?: string | undefined;
  readonly impersonatorUid?: string | undefined;
  /** When a second factor was last proven, milliseconds since the epoch. */
  readonly mfaVerified?: number | undefined;
  readonly device?: string | undefined;
  /** Access requests it was raised by; its roles depend on them. */
  readonly accessRequests?: readonly string[] | undefined;
  /** Set when it may not be used to get another one at all. */
  readonly final?: boolean | undefined;
}

/**
 * What the holder asks for; what is left out stays as it was. Roles are not for the holder to choose: one that is left
 * out would take along what it denies and limits, and the locks on it.
 */
export interface Narrowing {
  readonly user?: string;
  readonly logins?: readonly string[];
  readonly expires?: number;
  readonly pinnedIp?: string;
  readonly usage?: string;
}

/**
 * The grant of the new certificate. Times are cut; everything else that would be more than before is refused with
 * ACCESS_DENIED. What cannot be asked for (traits, factor, device, impersonator) is carried over as it is.
 */
export function narrow(previous: Grant, requested: Narrowing): Grant {
  if (previous.final === true) throw denied('this certificate may not be used to get another one');
  same('user', previous.user, requested.user);
  // Unset was "any": setting it narrows. Once set it stays.
  if (previous.pinnedIp !== undefined) same('address', previous.pinnedIp, requested.pinnedIp);
  if (previous.usage !== undefined) same('usage', previous.usage, requested.usage);
  const usage = previous.usage ?? requested.usage;
  const pinnedIp = previous.pinnedIp ?? requested.pinnedIp;
  return {
    ...previous,
    logins: subset(previous.logins, requested.logins),
    expires: Math.min(previous.expires, requested.expires ?? previous.expires),
    ...(usage === undefined ? {} : { usage }),
    ...(pinnedIp === undefined ? {} : { pinnedIp }),
  };
}

/** What a lock could be about, or what says whose it is: the same in every certificate made from another one. */
const KEPT = ['user', 'uid', 'device', 'impersonator', 'impersonatorUid'] as const;
/** Unset is everywhere; once set it stays. */
const PINS = ['pinnedIp', 'usage'] as const;

/**
 * True when `next` grants nothing that `previous` does not, and says all that a lock could be about: the property every
 * reissue must have.
 */
export function isWithin(next: Grant, previous: Grant): boolean {
  return (
    KEPT.every((field) => next[field] === previous[field]) &&
    PINS.every((field) => previous[field] === undefined || next[field] === previous[field]) &&
    isNotLater(next, previous) &&
    isPart(next.roles, previous.roles) &&
    isPart(next.logins, previous.logins) &&
    isPart(next.accessRequests, previous.accessRequests) &&
    isPart(previous.accessRequests, next.accessRequests) &&
    traitsWithin(next.traits, previous.traits)
  );
}

function isNotLater(next: Grant, previous: Grant): boolean {
  return (
    next.expires <= previous.expires &&
    (next.mfaVerified ?? 0) <= (previous.mfaVerified ?? 0) &&
    (next.final === true || previous.final !== true)
  );
}

const isPart = (part: readonly string[] = [], whole: readonly string[] = []): boolean =>
  part.every((entry) => whole.includes(entry));

function traitsWithin(next: Traits, previous: Traits): boolean {
  const before = new Map(Object.entries(previous));
  return Object.entries(next).every(([name, values]) =>
    values.every((value) => before.get(name)?.includes(value) === true),
  );
}

function subset(held: readonly string[], asked: readonly string[] | undefined): readonly string[] {
  if (asked === undefined) return held;
  const extra = asked.find((name) => !held.includes(name));
  if (extra !== undefined) throw denied(`the login ${quote(extra)} is not in the certificate that asks`);
  return [...new Set(asked)];
}

function same(what: string, held: string, asked: string | undefined): void {
  if (asked !== undefined && asked !== held) throw denied(`the ${what} of a certificate cannot be changed`);
}

function denied(message: string): GatehouseError {
  return new GatehouseError('ACCESS_DENIED', message);
}
