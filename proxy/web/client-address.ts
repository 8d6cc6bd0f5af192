// Whose request it is: the connection's client, or, where the configuration trusts a balancer to say so, the last
// address of X-Forwarded-For, which is the one that the balancer itself put there.
import type { IncomingMessage } from 'node:http';
import { parseIp } from '#core/certs/ip-address.ts';
import { formatIpPort } from '#core/ip-port.ts';
import type { Origin, Origins } from '../listen/origin.ts';

export interface ClientAddressOptions {
  readonly origins: Origins;
  readonly trustsForwardedFor: boolean;
}

export function originOfRequest(request: IncomingMessage, options: ClientAddressOptions): Origin {
  const origin = options.origins.of(request.socket);
  if (!options.trustsForwardedFor) return origin;
  const forwarded = forwardedFor(request.headers['x-forwarded-for']);
  return forwarded === undefined ? origin : { ...origin, remoteAddress: forwarded };
}

function forwardedFor(header: string | readonly string[] | undefined): string | undefined {
  const last = [header].flat().join(',').split(',').at(-1)?.trim() ?? '';
  return parseIp(last) === undefined ? undefined : formatIpPort(last, 0);
}
