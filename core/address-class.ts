// What sort of place an IP address is, for rules on what a service dials when others name the address. In core because
// the proxy (nodes) and the auth service (issuers) both dial so. Pure; names are judged by what they resolve to, at the dial.
import { isInNetwork, parseIp, parseNetwork, type IpNetwork } from './certs/ip-address.ts';

export type AddressClass =
  /** Anywhere on the internet. */
  | 'public'
  /** Of a site: 10/8, 172.16/12, 192.168/16, shared 100.64/10, fc00::/7 and the like. */
  | 'private'
  | 'loopback'
  /** "This host", link-local, multicast, reserved, and the metadata services of clouds: no server is reached there. */
  | 'never';

const networks = (...texts: readonly string[]): readonly IpNetwork[] =>
  texts.flatMap((text) => parseNetwork(text) ?? []);

const LOOPBACK = networks('127.0.0.0/8', '::1/128');
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
const PRIVATE = networks(
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  'fc00::/7',
  '2001:db8::/32',
  '64:ff9b:1::/48',
);
/** IPv4 inside IPv6: the address that is reached in the end counts. */
const EMBEDDED: readonly { readonly network: IpNetwork; readonly at: number }[] = [
  ...networks('::ffff:0:0/96', '64:ff9b::/96', '::/96').map((network) => ({ network, at: 12 })),
  ...networks('2002::/16').map((network) => ({ network, at: 2 })),
];

/** Undefined for text that is no IP address. */
export function addressClass(ip: string): AddressClass | undefined {
  const bytes = parseIp(ip);
  return bytes === undefined ? undefined : classOf(bytes);
}

function classOf(bytes: Uint8Array): AddressClass {
  const isIn = (list: readonly IpNetwork[]): boolean => list.some((network) => isInNetwork(bytes, network));
  if (isIn(LOOPBACK)) return 'loopback';
  if (isIn(NEVER)) return 'never';
  // isInNetwork takes a mapped address for IPv4, so the bits are compared here.
  const inner = bytes.length === 4 ? undefined : EMBEDDED.find(({ network }) => hasPrefix(bytes, network));
  if (inner !== undefined) return classOf(bytes.slice(inner.at, inner.at + 4));
  return isIn(PRIVATE) ? 'private' : 'public';
}

function hasPrefix(bytes: Uint8Array, { address, prefixBits }: IpNetwork): boolean {
  const whole = prefixBits >> 3;
  return address.subarray(0, whole).every((byte, i) => byte === bytes[i]);
}
