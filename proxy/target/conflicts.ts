// Tells the operator of agents that say different things of one target: people are led to either, as far as their roles
// show it. Each name is looked at once a minute at most, when somebody asks for it.
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { conflictingNames, type Server } from '#kinds/served.ts';

const AGAIN_MS = 60_000;
const MOST = 1000;

export class ConflictWatch {
  readonly #options: { readonly clock: Clock; readonly log: Log };
  readonly #lookedAt = new Map<string, number>();

  constructor(options: { readonly clock: Clock; readonly log: Log }) {
    this.#options = options;
  }

  /** `servers` are all that announce the target of this name. */
  look(name: string, servers: readonly Server[]): void {
    if (servers.length < 2) return;
    const { clock, log } = this.#options;
    const now = clock.now();
    const before = this.#lookedAt.get(name);
    if (before !== undefined && now - before < AGAIN_MS) return;
    if (this.#lookedAt.size >= MOST) this.#lookedAt.clear();
    this.#lookedAt.set(name, now);
    if (conflictingNames(servers).size === 0) return;
    log.warn(
      { name, agents: servers.length },
      'agents say different things of one target; give one of them another name',
    );
  }
}
