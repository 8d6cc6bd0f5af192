// Databases and applications as a service knows them: who serves them, by the name and the address people ask for, and the
// documents that agents choose from. Apart from the view because each is asked for at every connection.
import type { Resource } from '#core/resource.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import type { DbServerSpec } from '#kinds/db-server/kind.ts';
import type { DbSpec } from '#kinds/db/kind.ts';

/** What the view puts changes into, whatever the kind. */
export interface ViewIndex {
  put(name: string, resource: Resource): void;
  delete(name: string): void;
}

export class TargetIndex {
  readonly dbServers = new ServerIndex<DbServerSpec>(({ spec }) => ({ name: spec.database.metadata.name }));
  readonly appServers = new ServerIndex<AppServerSpec>(({ spec: { app } }) => ({
    name: app.metadata.name,
    address: app.spec.public_addr,
  }));
  readonly dbs = new ServerIndex<DbSpec>(({ metadata }) => ({ name: metadata.name }));
  readonly apps = new ServerIndex<AppSpec>(({ metadata }) => ({ name: metadata.name }));

  /** Undefined for kinds that are not kept here. */
  index(kind: string): ViewIndex | undefined {
    switch (kind) {
      case 'db_server':
        return this.dbServers as ViewIndex;
      case 'app_server':
        return this.appServers as ViewIndex;
      case 'db':
        return this.dbs as ViewIndex;
      case 'app':
        return this.apps as ViewIndex;
      default:
        return undefined;
    }
  }
}

interface Place {
  readonly name: string;
  readonly address?: string | undefined;
}

const NONE: readonly never[] = [];

class ServerIndex<S> {
  readonly #placeOf: (resource: Resource<S>) => Place;
  readonly #byKey = new Map<string, Resource<S>>();
  readonly #byName = new Groups<S>();
  readonly #byAddress = new Groups<S>();
  #all: readonly Resource<S>[] | undefined;

  constructor(placeOf: (resource: Resource<S>) => Place) {
    this.#placeOf = placeOf;
  }

  put(key: string, resource: Resource<S>): void {
    this.delete(key);
    this.#all = undefined;
    this.#byKey.set(key, resource);
    const { name, address } = this.#placeOf(resource);
    this.#byName.put(name, key, resource);
    if (address) this.#byAddress.put(address.toLowerCase(), key, resource);
  }

  delete(key: string): void {
    const before = this.#byKey.get(key);
    if (before === undefined) return;
    this.#all = undefined;
    this.#byKey.delete(key);
    const { name, address } = this.#placeOf(before);
    this.#byName.delete(name, key);
    if (address) this.#byAddress.delete(address.toLowerCase(), key);
  }

  /** The same list until something changes. */
  all(): readonly Resource<S>[] {
    return (this.#all ??= [...this.#byKey.values()]);
  }

  of(name: string): readonly Resource<S>[] {
    return this.#byName.get(name);
  }

  at(address: string): readonly Resource<S>[] {
    return this.#byAddress.get(address.toLowerCase());
  }
}

class Groups<S> {
  readonly #groups = new Map<string, Map<string, Resource<S>>>();

  put(group: string, key: string, resource: Resource<S>): void {
    const same = this.#groups.get(group);
    if (same === undefined) this.#groups.set(group, new Map([[key, resource]]));
    else same.set(key, resource);
  }

  delete(group: string, key: string): void {
    const same = this.#groups.get(group);
    same?.delete(key);
    if (same?.size === 0) this.#groups.delete(group);
  }

  get(group: string): readonly Resource<S>[] {
    const same = this.#groups.get(group);
    return same === undefined ? NONE : [...same.values()];
  }
}
