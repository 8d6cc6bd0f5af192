// What a route declares about who may call it. guard.ts enforces it in one hook; a route without one is refused at start.
import type { SystemRole } from '#core/identity.ts';

export const VERBS = ['list', 'read', 'create', 'update', 'delete', 'use'] as const;
export type Verb = (typeof VERBS)[number];

export type RouteAccess =
  /** No identity needed; `why` is printed in the reference. */
  | { readonly to: 'anyone'; readonly why: string }
  /** Any member of the cluster: user, host or local admin. */
  | { readonly to: 'members' }
  /** A user, about itself. */
  | { readonly to: 'user' }
  /** A host with one of these system roles (empty: any host), about itself. */
  | { readonly to: 'host'; readonly roles: readonly SystemRole[] }
  /** Only the local admin of the auth host: no role grants this. */
  | { readonly to: 'local-admin' }
  /** By the rules of the caller's roles; hosts by host-access.ts; the local admin always. */
  | {
      readonly to: 'resource';
      readonly kind: string;
      readonly verbs: readonly Verb[];
      /** The answer is about all of the kind at once: a rule with a condition is not enough. */
      readonly whole?: true;
    }
  /** The route asks the guard itself for each item it touches, such as apply and watch. */
  | { readonly to: 'each-resource' };
