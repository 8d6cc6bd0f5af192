// A proxy: the public door of the cluster. Each announces itself at every heartbeat, so that auth can name it in links,
// agents can find it, and other proxies can reach it; it expires without heartbeats.
import { defineKind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';

const addresses = (description: string) =>
  s.withDefault(
    s.list(s.string({ minLength: 1, maxLength: 512 }), { single: true, max: 64, description }),
    [],
  );

const spec = s.object({
  hostname: s.string({ minLength: 1, maxLength: 253, description: 'Name of the machine.' }),
  public_addrs: addresses(
    'host:port of the web port, as users and agents dial it; the first is used in links.',
  ),
  ssh_addrs: addresses('host:port for SSH clients, where that is another port.'),
  tunnel_addrs: addresses('host:port for tunnels of agents, where that is another port.'),
  peer_addr: s.withDefault(
    s.string({ maxLength: 512, description: 'host:port for other proxies; empty without peering.' }),
    '',
  ),
  version: s.optional(s.string({ maxLength: 128, description: 'Version of the proxy.' })),
});

export type ProxySpec = s.Infer<typeof spec>;

export const proxyKind = defineKind<ProxySpec>({
  name: 'proxy',
  plural: 'proxies',
  audience: 'presence',
  description: 'A proxy of the cluster; its name is the host id.',
  versions: ['v2'],
  spec,
  columns: [
    { title: 'Proxy Name', value: (proxy) => proxy.spec.hostname },
    { title: 'Proxy ID', value: (proxy) => proxy.metadata.name },
    { title: 'Public Address', value: (proxy) => proxy.spec.public_addrs.join(',') },
    { title: 'Version', value: (proxy) => proxy.spec.version ?? '' },
  ],
});
