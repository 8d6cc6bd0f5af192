// Which addresses the proxy dials. A node says itself where it is to be dialed, so a node that was taken over could point
// the proxy at services that only the proxy reaches: the ones of its own machine, cloud metadata, what answers on a link.
// Pure; names are judged by what they resolve to, at the dial.
import { isInNetwork, parseIp, parseNetwork, type IpNetwork } from '#core/certs/ip-address.ts';

export interface DialRules {
  /** Loopback is for nodes of the same machine: the host of this proxy, or a cluster that has no other addresses. */
  readonly allowsLoopback: boolean;
}

const networks = (...texts: readonly string[]): readonly IpNetwork[] =>
  texts.flatMap((text) => parseNetwork(text) ?? []);

const LOOPBACK = networks('127.0.0.0/8', '::1/128');
/** "This host", link-local, multicast and reserved; and the metadata services of clouds that live elsewhere. */
const NEVER = networks(
  '0.0.0.0/8',
  '169.254.0.0/16',
  '192.0.0.192/32',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
);
/** IPv4 inside IPv6: the address that is reached in the end counts. */
const EMBEDDED: readonly { readonly network: IpNetwork; readonly at: number }[] = [
  ...networks('::ffff:0:0/96', '64:ff9b::/96', '::/96').map((network) => ({ network, at: 12 })),
  ...networks('2002::/16').map((network) => ({ network, at: 2 })),
];

/** Why an IP address is not dialed; undefined when it is. Text that is no IP address is refused. */
export function dialProblem(ip: string, rules: DialRules): string | undefined {
  const bytes = parseIp(ip);
  if (bytes === undefined) return 'it is not an IP address';
  return problemOf(bytes, rules);
}

function problemOf(bytes: Uint8Array, rules: DialRules): string | undefined {
  const isIn = (list: readonly IpNetwork[]): boolean => list.some((network) => isInNetwork(bytes, network));
  if (isIn(LOOPBACK)) return rules.allowsLoopback ? undefined : 'it is an address of the proxy itself';
  if (isIn(NEVER)) return 'no server can be reached there';
  if (bytes.length === 4) return undefined;
  // isInNetwork takes a mapped address for IPv4, so the bits are compared here.
  const inner = EMBEDDED.find(({ network }) => hasPrefix(bytes, network));
  return inner === undefined ? undefined : problemOf(bytes.slice(inner.at, inner.at + 4), rules);
}

function hasPrefix(bytes: Uint8Array, { address, prefixBits }: IpNetwork): boolean {
  const whole = prefixBits >> 3;
  return address.subarray(0, whole).every((byte, i) => byte === bytes[i]);
}
