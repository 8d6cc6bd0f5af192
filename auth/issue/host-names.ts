// The names a host certificate is good for. What a machine says about itself cannot be checked, so names that mean
// another member or a part of the cluster itself are refused. Pure.
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';

export interface HostNames {
  /** For SSH. */
  readonly principals: readonly string[];
  /** For X.509. */
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
}

export interface NamedHost {
  readonly hostId: string;
  readonly nodeName: string;
  readonly clusterName: string;
  readonly roles: readonly SystemRole[];
  /** Other names and addresses, without ports. */
  readonly addresses: readonly string[];
  /** Is this a name of the cluster's own doors? Asked for hosts that are none. */
  readonly isDoor?: ((name: string) => boolean) | undefined;
}

const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** Their names are dialled by everybody, so only they may carry those and the name of the cluster. */
const FRONT_ROLES: readonly SystemRole[] = ['auth', 'proxy'];

/**
 * BAD_REQUEST names the field: not a DNS name or address, a wildcard, another member's id, the cluster's name, or a name
 * of its doors.
 */
export function hostNames(host: NamedHost): HostNames {
  const { hostId, nodeName, clusterName } = host;
  requireName('node_name', nodeName, host);
  const [dns, ips] = sortAddresses('addresses', host.addresses, (field, name) =>
    requireName(field, name, host),
  );
  const short = unique([hostId, nodeName].map((name) => name.toLowerCase()));
  const full = short
    .map((name) => `${name}.${clusterName.toLowerCase()}`)
    .filter((name) => name.length <= 253);
  const dnsNames = unique([...short, ...full, ...dns].filter((name) => parseIp(name) === undefined));
  const nodeIp = parseIp(nodeName);
  const ipAddresses = unique([...ips, ...(nodeIp === undefined ? [] : [formatIp(nodeIp)])]);
  return { principals: unique([...dnsNames, ...ipAddresses]), dnsNames, ipAddresses };
}

/** For databases: any name or address but wildcards. */
export function serverNames(
  field: string,
  hosts: readonly string[],
): Pick<HostNames, 'dnsNames' | 'ipAddresses'> {
  const [dnsNames, ipAddresses] = sortAddresses(field, hosts, requireDnsName);
  if (dnsNames.length + ipAddresses.length > 0) return { dnsNames, ipAddresses };
  throw bad(field, 'must name at least one host or address');
}

function sortAddresses(
  field: string,
  addresses: readonly string[],
  requireGood: (field: string, name: string) => void,
): [dnsNames: string[], ipAddresses: string[]] {
  const dnsNames: string[] = [];
  const ipAddresses: string[] = [];
  addresses.forEach((address, index) => {
    const ip = parseIp(address.replace(/^\[(.*)\]$/, '$1'));
    if (ip === undefined) {
      requireGood(`${field}[${index}]`, address);
      dnsNames.push(address.toLowerCase());
    } else if (ip.every((byte) => byte === 0)) {
      throw bad(`${field}[${index}]`, 'must be an address others can dial, not the one that means "all"');
    } else ipAddresses.push(formatIp(ip));
  });
  return [unique(dnsNames), unique(ipAddresses)];
}

function requireName(field: string, name: string, host: NamedHost): void {
  const isFront = host.roles.some((role) => FRONT_ROLES.includes(role));
  if (!isFront && host.isDoor?.(name) === true) {
    throw bad(
      field,
      `must not be ${JSON.stringify(name.slice(0, 64))}, a name of the cluster's own services; choose another one, or join with the role auth or proxy`,
    );
  }
  if (parseIp(name) !== undefined) return;
  requireDnsName(field, name);
  const lower = name.toLowerCase();
  const cluster = host.clusterName.toLowerCase();
  const short = lower.endsWith(`.${cluster}`) ? lower.slice(0, -cluster.length - 1) : lower;
  if (UUID.test(short) && short !== host.hostId.toLowerCase()) {
    throw bad(field, 'must not be the id of another host');
  }
  if (lower === cluster && !isFront) {
    throw bad(field, 'must not be the name of the cluster');
  }
}

function requireDnsName(field: string, name: string): void {
  if (DNS_NAME.test(name)) return;
  throw bad(
    field,
    `must be a DNS name such as web-1.example.com, or an IP address, without a port, not ${JSON.stringify(name.slice(0, 64))}`,
  );
}

function bad(field: string, what: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `${field} ${what}`, { details: { field } });
}

const unique = (names: readonly string[]): string[] => [...new Set(names)];
