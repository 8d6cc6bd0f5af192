// What presence of a served target says of its agent, whatever is served, and how it is named.
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

export const agentFields = {
  host_id: s.string({ minLength: 1, maxLength: 253, description: 'Of the agent.' }),
  hostname: s.string({ minLength: 1, maxLength: 253, description: 'Name of its machine.' }),
  version: s.optional(s.string({ maxLength: 128, description: 'Version of the agent.' })),
  proxy_ids: s.withDefault(
    s.list(s.string({ maxLength: 253 }), { max: 256, description: 'Proxies that hold a tunnel of it.' }),
    [],
  ),
} as const;

/** The name of the presence of a target at an agent. */
export const serverName = (target: string, hostId: string): string => `${target}.${hostId}`;

/** None when `name` is that of the presence of `target` at the host. */
export function nameProblems(name: string, target: string, hostId: string): readonly Problem[] {
  if (name === serverName(target, hostId)) return [];
  return [
    { path: ['metadata', 'name'], message: 'must be the name of what is served, a dot and the host id' },
  ];
}
