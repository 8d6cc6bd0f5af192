// Names and addresses under which a proxy is dialed, without ports: what its certificates must be good for. Pure; here
// because both the daemon, which asks for the certificates, and the proxy, which shows them, need the same list.
import type { ProxyConfig } from './config.ts';

export interface ProxyHost {
  readonly config: ProxyConfig;
  readonly nodeName: string;
  /** An address of this machine that others can dial. */
  readonly ownHost: string;
}

const EVERYWHERE = new Set(['0.0.0.0', '::']);

/** What users were told comes first. */
export function proxyNames({ config, nodeName, ownHost }: ProxyHost): readonly string[] {
  const dialed = [
    ...config.publicAddrs,
    ...config.sshPublicAddrs,
    ...config.tunnelPublicAddrs,
    config.peerPublicAddr,
  ];
  const listened = [config.webListenAddr, config.sshListenAddr, config.tunnelListenAddr].filter(
    (address) => address !== undefined && !EVERYWHERE.has(address.host),
  );
  const hosts = (addresses: typeof dialed): string[] => addresses.flatMap((address) => address?.host ?? []);
  return [...new Set([...hosts(dialed), nodeName, ownHost, ...hosts(listened)])];
}
