// Which databases or applications this agent serves, as of now: those of its file, and those of the cluster that one of its
// selectors matches. The file wins where both have a name. Followed live; commands run only for what the file says, because
// who may write documents of the cluster must not run programs here.
import { compileSelector, matchesSelector, type Selector } from '#core/access/labels.ts';
import type { Labels } from '#core/access/role.ts';
import type { ResourceSelector } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { CommandLabel } from '#config/labels.ts';
import { startCommandLabels, type CommandLabels } from '../labels.ts';
import type { Results } from './documents.ts';

/** A target of the file. */
export interface FixedTarget<S> {
  readonly name: string;
  readonly commands: readonly CommandLabel[];
  document(results: Results): Resource<S>;
}

/** A selector of the file, and what it adds to what it matches. */
export interface TargetSelector<S> {
  readonly labels: ResourceSelector['labels'];
  complete?(document: Resource<S>): Resource<S>;
}

export interface ServedOptions<S> {
  readonly clock: Clock;
  readonly log: Log;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly fixed: readonly FixedTarget<S>[];
  readonly selectors: readonly TargetSelector<S>[];
  /** The documents of the cluster, and news of them. */
  readonly documents: () => readonly Resource<S>[];
  readonly onDocuments: (listener: () => void) => () => void;
  readonly labelsOf: (document: Resource<S>) => Labels;
  /** Targets or their labels are others now. */
  readonly onChange: () => void;
}

export interface Served<S> {
  /** Resolves when every command of the file has ended once. */
  readonly ready: Promise<void>;
  get(name: string): Resource<S> | undefined;
  all(): readonly Resource<S>[];
  labelsOf(name: string): Labels | undefined;
  close(): Promise<void>;
}

/** The view must be ready. The caller closes it. */
export function followTargets<S>(options: ServedOptions<S>): Served<S> {
  return new Followed(options);
}

class Followed<S> implements Served<S> {
  readonly ready: Promise<void>;
  readonly #options: ServedOptions<S>;
  readonly #fixed = new Map<string, { readonly target: FixedTarget<S>; readonly commands: CommandLabels }>();
  readonly #selectors: readonly (readonly [Selector, TargetSelector<S>])[];
  readonly #unfollow: () => void;
  #dynamic: ReadonlyMap<string, Resource<S>> = new Map();
  /** What was chosen from, to see that nothing changed. */
  #seen = '';

  constructor(options: ServedOptions<S>) {
    this.#options = options;
    for (const target of options.fixed) {
      const commands = startCommandLabels({ ...options, commands: target.commands });
      this.#fixed.set(target.name, { target, commands });
    }
    this.#selectors = options.selectors.map((selector) => [
      compileSelector(selector.labels, {}, 'allow'),
      selector,
    ]);
    this.ready = Promise.all([...this.#fixed.values()].map(({ commands }) => commands.ready)).then(
      () => undefined,
    );
    this.#choose();
    this.#unfollow = options.onDocuments(() => {
      if (this.#choose()) options.onChange();
    });
  }

  get(name: string): Resource<S> | undefined {
    const fixed = this.#fixed.get(name);
    return fixed === undefined ? this.#dynamic.get(name) : fixed.target.document(fixed.commands.results());
  }

  all(): readonly Resource<S>[] {
    const fixed = [...this.#fixed.values()].map(({ target, commands }) =>
      target.document(commands.results()),
    );
    return [...fixed, ...this.#dynamic.values()];
  }

  labelsOf(name: string): Labels | undefined {
    const document = this.get(name);
    return document === undefined ? undefined : this.#options.labelsOf(document);
  }

  async close(): Promise<void> {
    this.#unfollow();
    await Promise.all([...this.#fixed.values()].map(({ commands }) => commands.close()));
  }

  /** True when something is different from before. */
  #choose(): boolean {
    const { documents, labelsOf, log } = this.#options;
    if (this.#selectors.length === 0) return false;
    const chosen = new Map<string, Resource<S>>();
    for (const document of documents()) {
      const { name } = document.metadata;
      const labels = labelsOf(document);
      const [, selector] = this.#selectors.find(([compiled]) => matchesSelector(compiled, labels)) ?? [];
      if (selector === undefined) continue;
      if (this.#fixed.has(name)) {
        log.warn({ name }, 'a target of the cluster is passed over: the file has one of this name');
      } else chosen.set(name, selector.complete?.(document) ?? document);
    }
    const seen = JSON.stringify([...chosen.values()].map(({ metadata, spec }) => [metadata, spec]));
    if (seen === this.#seen) return false;
    this.#seen = seen;
    this.#dynamic = chosen;
    return true;
  }
}
