// Kinds of which users see those that their roles select by label, and where the labels are. Apart from decide.ts because
// certificates for targets and lists ask about the same things.
import type { Target, TargetKind } from '#core/access/target.ts';
import type { Resource } from '#core/resource.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import { appLabels } from '#kinds/app/kind.ts';
import type { DbServerSpec } from '#kinds/db-server/kind.ts';
import { dbLabels } from '#kinds/db/kind.ts';
import { nodeLabels, type NodeSpec } from '#kinds/node/kind.ts';

export interface Labelled {
  readonly kind: TargetKind;
  targetOf(resource: Resource): Target;
}

const LABELLED: Readonly<Record<string, Labelled>> = {
  node: {
    kind: 'node',
    targetOf: (resource) => ({
      name: resource.metadata.name,
      labels: nodeLabels(resource as Resource<NodeSpec>),
    }),
  },
  db_server: { kind: 'db', targetOf: (resource) => dbTarget(resource as Resource<DbServerSpec>) },
  app_server: { kind: 'app', targetOf: (resource) => appTarget(resource as Resource<AppServerSpec>) },
};

/** Undefined for kinds that are shown without regard to labels. */
export function labelled(kind: string): Labelled | undefined {
  return Object.hasOwn(LABELLED, kind) ? LABELLED[kind] : undefined;
}

/** What roles decide about, as a server of it says. */
export function dbTarget({ spec: { database } }: Resource<DbServerSpec>): Target {
  return { name: database.metadata.name, labels: dbLabels(database) };
}

export function appTarget({ spec: { app } }: Resource<AppServerSpec>): Target {
  return { name: app.metadata.name, labels: appLabels(app) };
}
