// Timeouts and routing for the whole cluster: one record. The config file of the auth service can set the same fields.
import { LISTENER_MODES, ROUTING_STRATEGIES, TUNNEL_STRATEGIES } from '#core/cluster-settings.ts';
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import * as s from '#core/schema/schema.ts';

type ListenerMode = (typeof LISTENER_MODES)[number];
type RoutingStrategy = (typeof ROUTING_STRATEGIES)[number];

const spec = s.object({
  client_idle_timeout: s.withDefault(
    s.duration({ description: 'Sessions without activity end after this time; 0s means never.' }),
    '0s',
  ),
  client_idle_timeout_message: s.optional(
    s.string({ maxLength: 1024, description: 'Shown to the user when the session ends for idleness.' }),
  ),
  web_idle_timeout: s.withDefault(s.duration({ description: 'The same for the web UI.' }), '0s'),
  keep_alive_interval: s.withDefault(
    s.duration({ minMs: 1000, description: 'How often an idle connection is probed.' }),
    '5m',
  ),
  keep_alive_count_max: s.withDefault(
    s.integer({ min: 1, max: 1000, description: 'Probes without answer before the connection is closed.' }),
    3,
  ),
  session_control_timeout: s.withDefault(
    s.duration({ description: 'How long session limits may be unknown before sessions end.' }),
    '2m',
  ),
  ssh_dial_timeout: s.optional(
    s.duration({ minMs: 100, description: 'How long a dial to a node may take.' }),
  ),
  // The resource form of the documents has numbers for these words: 0 and 1.
  proxy_listener_mode: s.withDefault(
    s.enumOf([...LISTENER_MODES, '0', '1'], {
      description: 'One port per protocol, or one for all.',
    }) as s.Schema<ListenerMode>,
    'multiplex',
  ),
  routing_strategy: s.withDefault(
    s.enumOf([...ROUTING_STRATEGIES, '0', '1'], {
      description: 'What happens when a name fits several nodes.',
    }) as s.Schema<RoutingStrategy>,
    'unambiguous_match',
  ),
  case_insensitive_routing: s.optional(s.boolean({ description: 'Host names match in any case.' })),
  tunnel_strategy: s.optional(
    s.object({
      type: s.withDefault(s.enumOf(TUNNEL_STRATEGIES), 'agent_mesh'),
      agent_connection_count: s.optional(s.integer({ min: 1, max: 64 })),
    }),
  ),
});

export type NetworkingConfigSpec = s.Infer<typeof spec>;

export const networkingConfigKind = defineKind<NetworkingConfigSpec>({
  name: 'cluster_networking_config',
  aliases: ['networking_config'],
  description: 'Timeouts and routing of the cluster.',
  versions: ['v1', 'v2'],
  singleton: 'cluster-networking-config',
  spec,
  columns: [
    { title: 'Client Idle Timeout', value: (record) => record.spec.client_idle_timeout },
    { title: 'Keep Alive Interval', value: (record) => record.spec.keep_alive_interval },
    { title: 'Proxy Listener Mode', value: (record) => record.spec.proxy_listener_mode },
  ],
  normalize: wordsForNumbers,
});

function wordsForNumbers(record: Resource<NetworkingConfigSpec>): Resource<NetworkingConfigSpec> {
  const { proxy_listener_mode, routing_strategy } = record.spec;
  return {
    ...record,
    spec: {
      ...record.spec,
      proxy_listener_mode: wordOf(LISTENER_MODES, proxy_listener_mode),
      routing_strategy: wordOf(ROUTING_STRATEGIES, routing_strategy),
    },
  };
}

const wordOf = <T extends string>(words: readonly T[], given: T): T =>
  /^\d$/.test(given) ? (words[Number(given)] ?? given) : given;
