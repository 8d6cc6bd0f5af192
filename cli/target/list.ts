// The databases and applications that a person may use, each once, whoever serves it. Two agents that say different things
// of one name are told: people are led to either.
import { isDeepStrictEqual } from 'node:util';
import type { Api } from '#client/api.ts';
import type { Resource } from '#core/resource.ts';
import { appServerKind } from '#kinds/app-server/kind.ts';
import { appLabels, type AppSpec } from '#kinds/app/kind.ts';
import { dbServerKind } from '#kinds/db-server/kind.ts';
import { dbLabels, type DbSpec } from '#kinds/db/kind.ts';

export interface Listed<S> {
  readonly name: string;
  readonly description: string;
  /** As people and roles see them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly document: Resource<S>;
  /** Names of the machines that serve it. */
  readonly hosts: readonly string[];
  /** Not all of them say the same of it. */
  readonly isDisputed: boolean;
}

export async function listDatabases(api: Api): Promise<readonly Listed<DbSpec>[]> {
  const servers = await api.list(dbServerKind);
  return grouped(
    servers.map(({ spec }) => ({ host: spec.hostname, document: spec.database })),
    dbLabels,
  );
}

export async function listApps(api: Api): Promise<readonly Listed<AppSpec>[]> {
  const servers = await api.list(appServerKind);
  return grouped(
    servers.map(({ spec }) => ({ host: spec.hostname, document: spec.app })),
    appLabels,
  );
}

interface Served<S> {
  readonly host: string;
  readonly document: Resource<S>;
}

/** In the order of names; the document is the first one's. */
export function grouped<S>(
  servers: readonly Served<S>[],
  labelsOf: (document: Resource<S>) => Readonly<Record<string, string>>,
): readonly Listed<S>[] {
  const names = [...new Set(servers.map(({ document }) => document.metadata.name))].sort();
  return names.flatMap((name) => {
    const same = servers.filter(({ document }) => document.metadata.name === name);
    const [first] = same;
    if (first === undefined) return [];
    const { document } = first;
    return {
      name,
      description: document.metadata.description ?? '',
      labels: labelsOf(document),
      document,
      hosts: [...new Set(same.map(({ host }) => host))].sort(),
      isDisputed: same.some((other) => !isDeepStrictEqual(saidOf(other.document), saidOf(document))),
    };
  });
}

/** Without what each agent finds out for itself: results of commands. */
function saidOf<S>({ metadata, spec }: Resource<S>): unknown {
  const { dynamic_labels: _ofEach, ...rest } = spec as Record<string, unknown>;
  const { labels, description } = metadata;
  return { labels, description, spec: rest };
}
