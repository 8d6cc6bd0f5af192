// How this machine reaches the auth service at an address that may be its own or that of a proxy: by TCP, through the HTTP
// proxy of the environment, or as a stream through a web port whose TLS ends elsewhere. TLS with the auth service runs
// over whatever this returns.
import type { Socket } from 'node:net';
import { UPGRADE_TO_AUTH } from '#core/api/web.ts';
import type { Environment } from './http-proxy.ts';
import { dialTcp } from './tcp-dial.ts';
import { dialUpgraded, findProxy } from './web-port.ts';

export interface OutboundOptions {
  readonly environment: Environment;
  readonly timeoutMs?: number;
}

/** For client/connection.ts: remembers which addresses are behind a balancer that ends TLS. Rejects as dialTcp. */
export function authDialer(options: OutboundOptions): (address: string) => Promise<Socket> {
  const isUpgraded = new Map<string, boolean>();
  return async (address) => {
    if (!isUpgraded.has(address))
      isUpgraded.set(address, (await findProxy(address, options))?.endsTls === false);
    if (isUpgraded.get(address) !== true) return await dialTcp(address, options);
    return await dialUpgraded(address, UPGRADE_TO_AUTH, options);
  };
}
