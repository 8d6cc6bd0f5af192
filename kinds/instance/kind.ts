// Any machine that joined the cluster, whatever its services: what `get instances` counts. Agents refresh it; it
// expires without them.
import { SYSTEM_ROLES } from '#core/identity.ts';
import { defineKind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';

const spec = s.object({
  host_id: s.string({ minLength: 1, maxLength: 253 }),
  hostname: s.string({ maxLength: 253 }),
  roles: s.list(s.enumOf(SYSTEM_ROLES), { single: true, max: SYSTEM_ROLES.length }),
  version: s.string({ maxLength: 128 }),
  last_seen: s.timestamp(),
});

export type InstanceSpec = s.Infer<typeof spec>;

export const instanceKind = defineKind<InstanceSpec>({
  name: 'instance',
  audience: 'presence',
  description: 'A machine that joined the cluster; its name is the host id.',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'Host ID', value: (instance) => instance.metadata.name },
    { title: 'Hostname', value: (instance) => instance.spec.hostname },
    { title: 'Roles', value: (instance) => instance.spec.roles.join(',') },
    { title: 'Version', value: (instance) => instance.spec.version },
    { title: 'Last Seen', value: (instance) => instance.spec.last_seen },
  ],
  check: (instance) =>
    instance.metadata.name === instance.spec.host_id
      ? []
      : [{ path: ['spec', 'host_id'], message: 'must be equal to metadata.name' }],
});
