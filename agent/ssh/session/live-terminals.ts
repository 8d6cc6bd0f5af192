// The sessions with a terminal that are going on in this process, or wait for others to join, by their ids.
import type { Party } from '../join/party.ts';

export class LiveTerminals {
  readonly #byId = new Map<string, Party>();

  get(id: string): Party | undefined {
    return this.#byId.get(id);
  }

  all(): readonly Party[] {
    return [...this.#byId.values()];
  }

  add(party: Party): void {
    this.#byId.set(party.id, party);
  }

  remove(id: string): void {
    this.#byId.delete(id);
  }
}
