// The addresses of a proxy: which it is bound to, and under which others dial it, from what the configuration says and
// the ports that were bound. Pure.
import { formatAddress, parseAddress, type Address } from '#config/address.ts';
import type { ProxyConfig } from '#config/config.ts';
import type { HostRecord } from '#client/credentials.ts';
import type { Resource } from '#core/resource.ts';
import type { ProxySpec } from '#kinds/proxy/kind.ts';
import type { ProxyAddresses } from './web/facts.ts';

/** `host:port` of each port, as bound. */
export interface BoundPorts {
  readonly web: string;
  readonly ssh?: string;
  readonly tunnel?: string;
  readonly peer?: string;
}

export interface AddressFacts {
  readonly config: ProxyConfig;
  readonly bound: BoundPorts;
  readonly nodeName: string;
  /** An address of this machine that others can dial, in place of one that means "all". */
  readonly ownHost: string;
}

const EVERYWHERE = new Set(['0.0.0.0', '::']);

export interface DialAddresses extends ProxyAddresses {
  readonly peer: string;
}

export function dialAddresses({ config, bound, nodeName, ownHost }: AddressFacts): DialAddresses {
  const publicAddrs = given(config.publicAddrs, bound.web) ?? hostsOf(bound.web, nodeName, ownHost);
  const sameHosts = (port: string | undefined): string[] =>
    port === undefined
      ? []
      : publicAddrs.map((address) => formatAddress({ ...read(address), port: read(port).port }));
  const peer =
    config.peerPublicAddr === undefined
      ? undefined
      : withPort(config.peerPublicAddr, bound.peer ?? bound.web);
  return {
    ...bound,
    publicAddrs,
    sshPublicAddrs: given(config.sshPublicAddrs, bound.ssh ?? bound.web) ?? sameHosts(bound.ssh),
    tunnelPublicAddrs: given(config.tunnelPublicAddrs, bound.tunnel ?? bound.web) ?? sameHosts(bound.tunnel),
    // Other proxies must reach this very one, so never by a name that a balancer may have.
    peer: formatAddress(peer ?? ownAddress(bound.peer ?? bound.web, ownHost)),
  };
}

/** The `proxy` resource of this machine; its hostname is the one in its certificate. */
export function proxyDocument(
  record: HostRecord,
  addresses: DialAddresses,
  version: string,
): Resource<ProxySpec> {
  return {
    kind: 'proxy',
    version: 'v2',
    metadata: { name: record.certificates.host_id },
    spec: {
      hostname: record.node_name,
      public_addrs: addresses.publicAddrs,
      ssh_addrs: addresses.sshPublicAddrs,
      tunnel_addrs: addresses.tunnelPublicAddrs,
      peer_addr: addresses.peer,
      version,
    },
  };
}

/** What the configuration says; a port of 0 is the one that was bound. Undefined when it says nothing. */
function given(configured: readonly Address[], bound: string): string[] | undefined {
  if (configured.length === 0) return undefined;
  return configured.map((address) => formatAddress(withPort(address, bound)));
}

const withPort = ({ host, port }: Address, bound: string): Address => ({
  host,
  port: port === 0 ? read(bound).port : port,
});

/** A port on all addresses goes by the name of the machine, as documented, and by an address where the name is unknown. */
function hostsOf(bound: string, nodeName: string, ownHost: string): string[] {
  const { host, port } = read(bound);
  const hosts = EVERYWHERE.has(host) ? [nodeName, ownHost] : [host];
  return [...new Set(hosts)].map((one) => formatAddress({ host: one, port }));
}

function ownAddress(bound: string, ownHost: string): Address {
  const { host, port } = read(bound);
  return { host: EVERYWHERE.has(host) ? ownHost : host, port };
}

const read = (address: string): Address => parseAddress(address, 0);
