// An agent serves a database: written by the agent itself at each heartbeat, gone without them. It carries the document of what
// is served, so that a proxy needs nothing else to decide who may see it.
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { dbKind, dbLabels } from '../db/kind.ts';
import { formatLabels } from '../command-labels.ts';
import { embedded, embeddedProblems, normalEmbedded } from '../embedded.ts';
import { shownDb } from '../served.ts';
import { agentFields, nameProblems } from '../server-presence.ts';

const rotation = s.object({
  state: s.withDefault(s.enumOf(['standby', 'in_progress']), 'standby'),
  phase: s.optional(s.string()),
  current_id: s.optional(s.string()),
  started: s.optional(s.timestamp()),
  last_rotated: s.optional(s.timestamp()),
});

const spec = s.object({
  ...agentFields,
  database: embedded(dbKind),
  rotation: s.optional(rotation),
});

export type DbServerSpec = s.Infer<typeof spec>;

export const dbServerKind = defineKind<DbServerSpec>({
  name: 'db_server',
  audience: 'presence',
  description: 'An agent that serves a database; named <database>.<host id>.',
  versions: ['v3'],
  spec,
  columns: [
    { title: 'Name', value: (server) => server.spec.database.metadata.name },
    { title: 'Host', value: (server) => server.spec.hostname },
    { title: 'URI', value: (server) => server.spec.database.spec.uri },
    { title: 'Labels', value: (server) => formatLabels(dbLabels(server.spec.database)) },
    { title: 'Version', value: (server) => server.spec.version ?? '' },
  ],
  normalize: (server) => ({
    ...server,
    spec: { ...server.spec, database: shownDb(normalEmbedded(dbKind, server.spec.database)) },
  }),
  check,
});

function check({ metadata, spec: server }: Resource<DbServerSpec>): readonly Problem[] {
  const served = embeddedProblems(dbKind, server.database, ['spec', 'database']);
  return [...served, ...nameProblems(metadata.name, server.database.metadata.name, server.host_id)];
}
