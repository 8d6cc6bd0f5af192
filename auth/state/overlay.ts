// What rules that cross kinds read: the local copy with the changes of the write laid over it. It notes everything a
// rule looked at, so that the write can be made to fail when any of it changed meanwhile.
import { GatehouseError } from '#core/errors/error.ts';
import type { Kind, Reader } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Copy } from './copy.ts';

/** A resource as a rule saw it; no revision when it was absent. */
export interface Seen {
  readonly kind: Kind;
  readonly name: string;
  readonly revision: string | undefined;
}

export interface Overlay {
  /**
   * The state after the whole write, except that the resource under judgement, when read by name, is as it was
   * before: that is how a rule sees what a write would change.
   */
  readerFor(kind: Kind, name: string): Reader;
  readonly seen: ReadonlyMap<string, Seen>;
  readonly listed: ReadonlySet<Kind>;
}

export interface Outcome {
  readonly kind: Kind;
  readonly name: string;
  /** Undefined when the write deletes it. */
  readonly after: Resource | undefined;
}

/** `kindNamed` finds a kind by its exact name. */
export function openOverlay(
  copy: Copy,
  outcomes: readonly Outcome[],
  kindNamed: (name: string) => Kind,
): Overlay {
  const seen = new Map<string, Seen>();
  const listed = new Set<Kind>();
  const after = new Map(outcomes.map((outcome) => [idOf(outcome.kind, outcome.name), outcome]));

  const get = (kind: Kind, name: string): Resource | undefined => {
    const found = copy.get(kind, name);
    seen.set(idOf(kind, name), { kind, name, revision: found?.metadata.revision });
    return found;
  };
  const list = (kind: Kind): readonly Resource[] => {
    listed.add(kind);
    const unchanged = [...copy.list(kind)].filter((found) => !after.has(idOf(kind, found.metadata.name)));
    const changed = outcomes.filter((outcome) => outcome.kind === kind).map((outcome) => outcome.after);
    return [...unchanged, ...changed.filter((resource) => resource !== undefined)].sort(byName);
  };

  return {
    seen,
    listed,
    readerFor: (ownKind, ownName) => ({
      get(kindName, name) {
        const kind = requireCopied(kindNamed(kindName));
        const outcome = after.get(idOf(kind, name));
        const isOwn = kind === ownKind && name === ownName;
        return outcome === undefined || isOwn ? get(kind, name) : outcome.after;
      },
      list: (kindName) => list(requireListed(kindNamed(kindName))),
    }),
  };
}

export function idOf(kind: Kind, name: string): string {
  return `${kind.name}/${name}`;
}

function byName(one: Resource, other: Resource): number {
  return one.metadata.name < other.metadata.name ? -1 : 1;
}

function requireCopied(kind: Kind): Kind {
  if (kind.audience !== 'internal') return kind;
  throw new GatehouseError('INTERNAL', `a rule reads the internal kind ${kind.name}`);
}

/** Presence changes all the time: a rule over all of it could never be held to at the moment of the write. */
function requireListed(kind: Kind): Kind {
  if (kind.audience === 'admin') return kind;
  throw new GatehouseError('INTERNAL', `a rule lists the ${kind.audience} kind ${kind.name}`);
}
