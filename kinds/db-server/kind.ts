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

const rotation = s.object({
  state: s.withDefault(s.enumOf(['standby', 'in_progress']), 'standby'),
  phase: s.optional(s.string()),
  current_id: s.optional(s.string()),
  started: s.optional(s.timestamp()),
  last_rotated: s.optional(s.timestamp()),
});

const spec = s.object({
  host_id: s.string({ minLength: 1, maxLength: 253, description: 'Of the agent.' }),
  hostname: s.string({ minLength: 1, maxLength: 253, description: 'Name of its machine.' }),
  version: s.optional(s.string({ maxLength: 128, description: 'Version of the agent.' })),
  proxy_ids: s.withDefault(
    s.list(s.string({ maxLength: 253 }), { max: 256, description: 'Proxies that hold a tunnel of it.' }),
    [],
  ),
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

/** The name of the presence of a target at an agent. */
export const dbServerName = (target: string, hostId: string): string => `${target}.${hostId}`;

function check({ metadata, spec: server }: Resource<DbServerSpec>): readonly Problem[] {
  const problems = embeddedProblems(dbKind, server.database, ['spec', 'database']);
  if (metadata.name === dbServerName(server.database.metadata.name, server.host_id)) return problems;
  const message = 'must be the name of what is served, a dot and the host id';
  return [...problems, { path: ['metadata', 'name'], message }];
}
