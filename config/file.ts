// The schema of the whole file. The first section has two names, and a file has one of them.
import { isPlainObject } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { authSection, type AuthSection } from './sections/auth.ts';
import { globalSection, type GlobalSection } from './sections/global.ts';
import { proxySection, type ProxySection } from './sections/proxy.ts';
import { LATER_SERVICES, sshSection, type LaterService, type SshSection } from './sections/services.ts';
import { appSection, dbSection, type AppSection, type DbSection } from './sections/targets.ts';

export const TOP_SECTIONS = ['gatehouse', 'teleport'] as const;
export type TopSection = (typeof TOP_SECTIONS)[number];

/** The file after the check of its schema, before defaults. */
export interface FileContents {
  /** Which name the first section has, for paths in messages. */
  readonly top: TopSection;
  readonly global: GlobalSection;
  readonly auth: AuthSection | undefined;
  readonly ssh: SshSection | undefined;
  readonly proxy: ProxySection | undefined;
  readonly db: DbSection | undefined;
  readonly app: AppSection | undefined;
  readonly later: Readonly<Partial<Record<LaterService, { readonly enabled?: boolean }>>>;
}

const SERVICES = {
  auth_service: authSection,
  ssh_service: sshSection,
  proxy_service: proxySection,
  db_service: dbSection,
  app_service: appSection,
  ...LATER_SERVICES,
};

/** For the reference page: every key there is, under the name of the first section that we print. */
export const fileSchema = schemaFor('gatehouse');

/** The schema of a file whose first section is called `top`. */
export function schemaFor(top: TopSection): s.Schema<Record<string, unknown>> {
  const services = Object.entries(SERVICES).map(([name, schema]) => [name, s.optional<unknown>(schema)]);
  return s.object({
    version: s.optional(s.enumOf(['v1', 'v2', 'v3'])),
    [top]: s.optional<unknown>(globalSection),
    ...(Object.fromEntries(services) as Record<string, s.Schema<unknown>>),
  });
}

/** `teleport` when the file uses that name, else ours. */
export function topOf(value: unknown): TopSection {
  return isPlainObject(value) && Object.hasOwn(value, 'teleport') && !Object.hasOwn(value, 'gatehouse')
    ? 'teleport'
    : 'gatehouse';
}

/** Sections without content (`ssh_service:` and nothing below) are as good as empty ones. */
export function withEmptySections(value: unknown): unknown {
  if (value === null || value === undefined) return {};
  if (!isPlainObject(value)) return value;
  const out: Record<string, unknown> = {};
  for (const [key, section] of Object.entries(value))
    out[key] = section === null && key !== 'version' ? {} : section;
  return out;
}

/** Names the parts of a file that schemaFor accepted. */
export function contentsOf(top: TopSection, checked: Record<string, unknown>): FileContents {
  const later: Partial<Record<LaterService, { enabled?: boolean }>> = {};
  for (const name of Object.keys(LATER_SERVICES) as LaterService[]) {
    const section = checked[name];
    if (section !== undefined) later[name] = section as { enabled?: boolean };
  }
  return {
    top,
    global: (checked[top] ?? {}) as GlobalSection,
    auth: checked['auth_service'] as AuthSection | undefined,
    ssh: checked['ssh_service'] as SshSection | undefined,
    proxy: checked['proxy_service'] as ProxySection | undefined,
    db: checked['db_service'] as DbSection | undefined,
    app: checked['app_service'] as AppSection | undefined,
    later,
  };
}
