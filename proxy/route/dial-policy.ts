// Which addresses the proxy dials. A node says itself where it is to be dialed, so a node that was taken over could point
// the proxy at services that only the proxy reaches: the ones of its own machine, cloud metadata, what answers on a link.
// Pure; names are judged by what they resolve to, at the dial.
import { addressClass } from '#core/address-class.ts';

export interface DialRules {
  /** Loopback is for nodes of the same machine: the host of this proxy, or a cluster that has no other addresses. */
  readonly allowsLoopback: boolean;
}

/** Why an IP address is not dialed; undefined when it is. Text that is no IP address is refused. */
export function dialProblem(ip: string, rules: DialRules): string | undefined {
  switch (addressClass(ip)) {
    case undefined:
      return 'it is not an IP address';
    case 'loopback':
      return rules.allowsLoopback ? undefined : 'it is an address of the proxy itself';
    case 'never':
      return 'no server can be reached there';
    default:
      return undefined;
  }
}
