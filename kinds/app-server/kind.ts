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
import { agentFields, nameProblems } from '../server-presence.ts';

const spec = s.object({
  ...agentFields,
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

function check({ metadata, spec: server }: Resource<AppServerSpec>): readonly Problem[] {
  const served = embeddedProblems(appKind, server.app, ['spec', 'app']);
  return [...served, ...nameProblems(metadata.name, server.app.metadata.name, server.host_id)];
}
