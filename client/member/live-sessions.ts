// The sessions that this host carries right now, as heartbeats tell them: all of them every minute, and what changed
// soon after it did. Apart from presence.ts because those who hold sessions write here and know nothing of heartbeats.
import type { Resource } from '#core/resource.ts';
import type { SessionSpec } from '#kinds/session/kind.ts';

export type LiveSession = Omit<SessionSpec, 'host_id'>;

/** What one heartbeat says of sessions. */
export interface SessionNews {
  readonly live: readonly (readonly [id: string, session: LiveSession])[];
  readonly ended: readonly string[];
}

export interface LiveSessions {
  /** Adds or replaces the session of this id (a UUID). Cheap; never throws, never waits. */
  set(id: string, session: LiveSession): void;
  /** The session is over. Safe to call twice. */
  end(id: string): void;
  /** What to say: all there are, or only what was not told yet. At most 1,000 of each; the rest comes next. */
  news(all: boolean): SessionNews;
  /** To be called when the news was heard. */
  told(news: SessionNews): void;
  readonly hasNews: boolean;
  /** Called at each change; one listener, which presence takes. */
  onChange(listener: () => void): void;
}

const MOST = 1000;
/** A host that nobody hears for long must not remember every session it ever had. */
const MOST_ENDED = 10_000;

export function openLiveSessions(): LiveSessions {
  return new Sessions();
}

class Sessions implements LiveSessions {
  readonly #live = new Map<string, LiveSession>();
  readonly #untold = new Set<string>();
  readonly #ended = new Set<string>();
  #listener: (() => void) | undefined;

  get hasNews(): boolean {
    return this.#untold.size > 0 || this.#ended.size > 0;
  }

  set(id: string, session: LiveSession): void {
    this.#live.set(id, session);
    this.#untold.add(id);
    this.#listener?.();
  }

  end(id: string): void {
    if (!this.#live.delete(id)) return;
    this.#untold.delete(id);
    if (this.#ended.size < MOST_ENDED) this.#ended.add(id);
    this.#listener?.();
  }

  news(all: boolean): SessionNews {
    const ids = new Set(all ? [...this.#untold, ...this.#live.keys()] : this.#untold);
    const live = [...ids].slice(0, MOST).flatMap((id) => {
      const session = this.#live.get(id);
      return session === undefined ? [] : ([[id, session]] as const);
    });
    return { live, ended: [...this.#ended].slice(0, MOST) };
  }

  told({ live, ended }: SessionNews): void {
    for (const [id, session] of live) {
      // It may have changed again since, or be over.
      if (this.#live.get(id) !== session) continue;
      this.#untold.delete(id);
      // To the end: of more than fit, each has its turn.
      this.#live.delete(id);
      this.#live.set(id, session);
    }
    for (const id of ended) this.#ended.delete(id);
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }
}

/** The document of one, for the host that carries it. */
export const sessionDocument = (
  hostId: string,
  [id, session]: readonly [id: string, session: LiveSession],
): Resource<SessionSpec> => ({
  kind: 'session',
  version: 'v1',
  metadata: { name: id },
  spec: { ...session, host_id: hostId },
});
