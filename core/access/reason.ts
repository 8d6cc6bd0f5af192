// What a decision says about itself. Reasons are for admins: they name roles, rules, labels and traits. The person who
// was denied gets DENIED_MESSAGE and the id under which the caller keeps the reasons, and nothing else.
import type { MergedOptions } from './options.ts';

export interface Reason {
  /** The role that decided; unset when it is about all roles together. */
  readonly role?: string;
  readonly side: 'allow' | 'deny' | 'none';
  /** The field of the role, such as node_labels, logins or rules[2].where. */
  readonly field: string;
  /** The rule, label key or trait that mattered. */
  readonly on?: string;
  /** A sentence for an admin. */
  readonly text: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** Why, most decisive first; never empty, at most MAX_REASONS. */
  readonly reasons: readonly Reason[];
}

export interface TargetDecision extends Decision {
  /** What holds for the session if it is allowed. */
  readonly options: MergedOptions;
  /** Roles that grant the target with everything that was asked. */
  readonly roles: readonly string[];
}

/** Explanations of a user with very many roles stay readable; gatectl explain asks for all with explainAccess. */
export const MAX_REASONS = 20;

/** All that the denied person is told; the caller adds the id. */
export const DENIED_MESSAGE = 'access denied';

/** Values from users and targets stand in quotes and are cut, so that they cannot dress up a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}
