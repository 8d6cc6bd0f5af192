// The compiled roles of those who connect, kept until a role changes. Apart from the view because of what must end a
// kept one: a change of any role, and the expiry of one of its own.
import { compileAccess, type AccessSet } from '#core/access/compile.ts';
import { createPredicateCompiler } from '#core/access/predicates.ts';
import type { Clock } from '#core/clock.ts';
import type { UserIdentity } from '#core/identity.ts';
import type { Resource } from '#core/resource.ts';
import { accessRolesOf, type RoleSpec } from '#kinds/role/kind.ts';

type Held = Pick<UserIdentity, 'name' | 'roles' | 'traits'>;

interface Kept {
  readonly access: AccessSet;
  /** First millisecond at which one of its roles is gone. */
  readonly until: number;
}

const MAX_KEPT = 1000;

export class RoleSets {
  readonly #roleNamed: (name: string) => Resource<RoleSpec> | undefined;
  readonly #clock: Pick<Clock, 'now'>;
  #predicates = createPredicateCompiler();
  /** In order of last use. */
  readonly #kept = new Map<string, Kept>();

  constructor(roleNamed: (name: string) => Resource<RoleSpec> | undefined, clock: Pick<Clock, 'now'>) {
    this.#roleNamed = roleNamed;
    this.#clock = clock;
  }

  /** To be called when any role changed. */
  clear(): void {
    this.#kept.clear();
    // What the compiler remembers would otherwise grow with every role there ever was.
    this.#predicates = createPredicateCompiler();
  }

  /** INVALID_RESOURCE when a role cannot be used. */
  of({ name, roles, traits }: Held): AccessSet {
    const key = JSON.stringify([name, roles, traits]);
    const known = this.#kept.get(key);
    this.#kept.delete(key);
    const isGood = known !== undefined && this.#clock.now() < known.until;
    const kept = isGood ? known : this.#compile({ name, roles, traits });
    this.#kept.set(key, kept);
    if (this.#kept.size > MAX_KEPT) {
      const oldest = this.#kept.keys().next().value;
      if (oldest !== undefined) this.#kept.delete(oldest);
    }
    return kept.access;
  }

  #compile({ name, roles, traits }: Held): Kept {
    const held = [...new Set(roles)].map(this.#roleNamed).filter((role) => role !== undefined);
    const names = held.map((role) => role.metadata.name);
    const ends = held.flatMap(({ metadata: { expires } }) =>
      expires === undefined ? [] : [Date.parse(expires)],
    );
    const access = compileAccess(
      accessRolesOf(held, names),
      { name, roles: names, traits },
      this.#predicates,
    );
    return { access, until: Math.min(Number.POSITIVE_INFINITY, ...ends) };
  }
}
