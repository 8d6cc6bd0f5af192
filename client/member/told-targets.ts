// Which databases and applications auth was told that this host serves, so that those it no longer serves can be taken off
// the lists at once, instead of when their time is up.
import type { Resource } from '#core/resource.ts';

export interface GoneTarget {
  readonly kind: 'db_server' | 'app_server';
  readonly name: string;
}

export class ToldTargets {
  #told: readonly GoneTarget[] = [];

  /** Those that were told and are not among the documents now. */
  gone(documents: readonly Resource[]): readonly GoneTarget[] {
    const now = new Set(documents.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
    return this.#told.filter(({ kind, name }) => !now.has(`${kind}/${name}`));
  }

  /** Auth has heard these, and what `gone` said of them. */
  heard(documents: readonly Resource[]): void {
    this.#told = documents.flatMap(({ kind, metadata: { name } }) =>
      kind === 'db_server' || kind === 'app_server' ? [{ kind, name }] : [],
    );
  }
}
