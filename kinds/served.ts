// Several agents may serve one database or application, and then they must say the same of it. Which of them do not, and
// what of a document is for agents alone: shared by the kinds of presence and by lists.
import type { Resource } from '#core/resource.ts';
import type { AppSpec } from './app/kind.ts';
import type { DbSpec } from './db/kind.ts';

/** A database as presence shows it: without the authorities that only its agent checks with. */
export function shownDb(db: Resource<DbSpec>): Resource<DbSpec> {
  const { ca_cert: _older, tls, ...spec } = db.spec;
  const { ca_cert: _pem, ...shown } = tls;
  return { ...db, spec: { ...spec, tls: shown } };
}

/** An application as presence shows it: without the headers that are set, whose values may be credentials. */
export function shownApp(app: Resource<AppSpec>): Resource<AppSpec> {
  const { rewrite, ...spec } = app.spec;
  if (rewrite === undefined) return app;
  const { headers: _set, ...shown } = rewrite;
  return { ...app, spec: { ...spec, rewrite: shown } };
}

/** Who serves a target, of either kind. */
export type Server =
  | { readonly spec: { readonly database: Resource<DbSpec> } }
  | { readonly spec: { readonly app: Resource<AppSpec> } };

/**
 * Names under which the servers of one kind say different things. What commands print may differ from host to host.
 * Pure; for tens of thousands of servers.
 */
export function conflictingNames(servers: Iterable<Server>): ReadonlySet<string> {
  const texts = new Map<string, string>();
  const conflicts = new Set<string>();
  for (const { spec } of servers) {
    const document = 'database' in spec ? spec.database : spec.app;
    const { name } = document.metadata;
    if (conflicts.has(name)) continue;
    const text = comparable(document);
    const known = texts.get(name);
    if (known === undefined) texts.set(name, text);
    else if (known !== text) conflicts.add(name);
  }
  return conflicts;
}

function comparable({ metadata, spec }: Resource<DbSpec | AppSpec>): string {
  const { description, labels } = metadata;
  const commands = Object.entries(spec.dynamic_labels ?? {}).map(([name, label]) => [name, label.command]);
  return JSON.stringify(sorted([description, labels, commands, { ...spec, dynamic_labels: undefined }]));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
