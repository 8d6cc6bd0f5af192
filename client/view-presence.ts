// Who is there, of one kind: by name, and by the host name in any case of letters. Apart from the view because it is
// asked at every connection, and there may be tens of thousands: nothing here looks at all of them for a question.
import type { Resource } from '#core/resource.ts';

const NONE: readonly never[] = [];

export class PresenceIndex<S> {
  readonly #hostnameOf: (resource: Resource<S>) => string;
  readonly #byName = new Map<string, Resource<S>>();
  readonly #byHostname = new Map<string, Map<string, Resource<S>>>();
  #all: readonly Resource<S>[] | undefined;

  constructor(hostnameOf: (resource: Resource<S>) => string) {
    this.#hostnameOf = hostnameOf;
  }

  put(name: string, resource: Resource<S>): void {
    this.delete(name);
    this.#all = undefined;
    this.#byName.set(name, resource);
    const hostname = this.#hostnameOf(resource).toLowerCase();
    const same = this.#byHostname.get(hostname);
    if (same === undefined) this.#byHostname.set(hostname, new Map([[name, resource]]));
    else same.set(name, resource);
  }

  delete(name: string): void {
    const before = this.#byName.get(name);
    if (before === undefined) return;
    this.#all = undefined;
    this.#byName.delete(name);
    const hostname = this.#hostnameOf(before).toLowerCase();
    const same = this.#byHostname.get(hostname);
    same?.delete(name);
    if (same?.size === 0) this.#byHostname.delete(hostname);
  }

  get(name: string): Resource<S> | undefined {
    return this.#byName.get(name);
  }

  named(hostname: string): readonly Resource<S>[] {
    const same = this.#byHostname.get(hostname.toLowerCase());
    return same === undefined ? NONE : [...same.values()];
  }

  /** The same list until something changes. */
  all(): readonly Resource<S>[] {
    return (this.#all ??= [...this.#byName.values()]);
  }
}
