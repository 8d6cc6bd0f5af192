// An agent serves an application: written by the agent itself at each heartbeat, gone without them. It carries the document of what
// is served, so that a proxy needs nothing else to decide who may see it.
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { appKind, appLabels } from '../app/kind.ts';
import { formatLabels } from '../command-labels.ts';
import { embedded, embeddedProblems, normalEmbedded } from '../embedded.ts';
import { shownApp } from '../served.ts';

const spec = s.object({
  host_id: s.string({ minLength: 1, maxLength: 253, description: 'Of the agent.' }),
  hostname: s.string({ minLength: 1, maxLength: 253, description: 'Name of its machine.' }),
  version: s.optional(s.string({ maxLength: 128, description: 'Version of the agent.' })),
  proxy_ids: s.withDefault(
    s.list(s.string({ maxLength: 253 }), { max: 256, description: 'Proxies that hold a tunnel of it.' }),
    [],
  ),
  app: embedded(appKind),
});

export type AppServerSpec = s.Infer<typeof spec>;

export const appServerKind = defineKind<AppServerSpec>({
  name: 'app_server',
  audience: 'presence',
  description: 'An agent that serves an application; named <app>.<host id>.',
  versions: ['v3'],
  spec,
  columns: [
    { title: 'Name', value: (server) => server.spec.app.metadata.name },
    { title: 'Host', value: (server) => server.spec.hostname },
    { title: 'URI', value: (server) => server.spec.app.spec.uri },
    { title: 'Labels', value: (server) => formatLabels(appLabels(server.spec.app)) },
    { title: 'Version', value: (server) => server.spec.version ?? '' },
  ],
  normalize: (server) => ({
    ...server,
    spec: { ...server.spec, app: shownApp(normalEmbedded(appKind, server.spec.app)) },
  }),
  check,
});

/** The name of the presence of a target at an agent. */
export const appServerName = (target: string, hostId: string): string => `${target}.${hostId}`;

function check({ metadata, spec: server }: Resource<AppServerSpec>): readonly Problem[] {
  const problems = embeddedProblems(appKind, server.app, ['spec', 'app']);
  if (metadata.name === appServerName(server.app.metadata.name, server.host_id)) return problems;
  const message = 'must be the name of what is served, a dot and the host id';
  return [...problems, { path: ['metadata', 'name'], message }];
}
