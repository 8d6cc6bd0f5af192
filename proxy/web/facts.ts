// What the web port tells everybody about the proxy and the cluster, from the configuration, the bound ports and the
// local view. Pure.
import type { WebAnswer } from '#core/api/web.ts';
import type { AuthPreferenceSpec } from '#kinds/cluster-auth-preference/kind.ts';

/** Addresses are `host:port`. */
export interface ProxyAddresses {
  /** As bound; ports of their own only where there are such. */
  readonly web: string;
  readonly ssh?: string;
  readonly tunnel?: string;
  /** To dial, the first of each is the main one; at least one. */
  readonly publicAddrs: readonly string[];
  readonly sshPublicAddrs: readonly string[];
  readonly tunnelPublicAddrs: readonly string[];
}

export interface FactsInput {
  readonly addresses: ProxyAddresses;
  readonly hostId: string;
  readonly clusterName: string;
  readonly version: string;
  readonly endsTls: boolean;
  readonly preference: AuthPreferenceSpec;
  /** PEM. */
  readonly hostAuthorities: readonly string[];
}

export function webAnswerOf(input: FactsInput): WebAnswer {
  const { addresses, preference, version } = input;
  const main = addresses.publicAddrs[0] ?? addresses.web;
  return {
    cluster_name: input.clusterName,
    server_version: version,
    min_client_version: version,
    auth: {
      type: preference.type,
      second_factor: preference.second_factor,
      allow_local_auth: preference.allow_local_auth,
      has_motd: (preference.message_of_the_day ?? '') !== '',
    },
    proxy: {
      tls_routing_enabled: true,
      ssh: {
        ...(addresses.ssh === undefined ? {} : { listen_addr: addresses.ssh }),
        ...(addresses.tunnel === undefined ? {} : { tunnel_listen_addr: addresses.tunnel }),
        web_listen_addr: addresses.web,
        public_addr: main,
        ssh_public_addr: addresses.sshPublicAddrs[0] ?? main,
        ssh_tunnel_public_addr: addresses.tunnelPublicAddrs[0] ?? main,
      },
      public_addrs: [...addresses.publicAddrs],
      id: input.hostId,
      ends_tls: input.endsTls,
    },
    host_authorities: [...input.hostAuthorities],
  };
}
