// Is what answers the server that was meant? Asked before anything of the person is sent to it. Pure.
import { isIP } from 'node:net';
import { parseAddress } from '#config/address.ts';
import { refuseCertificate } from '#core/certs/refusal.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { readHostCertificate } from '#wire/host-keys.ts';
import type { RouteNode } from '../route/resolve.ts';

export interface ServerGround {
  /** Keys of the host authority. */
  readonly authorities: readonly SshPublicKey[];
  readonly clusterName: string;
  readonly now: number;
  /** `proxy_checks_host_keys`. Servers with an agent are checked whatever it says. */
  readonly checksHostKeys: boolean;
}

export interface ShownHost {
  readonly algorithm: string;
  readonly blob: Uint8Array;
}

/** CERTIFICATE_INVALID when it is not. A plain sshd is known by its names, a server with an agent by its id. */
export function requireServer(shown: ShownHost, node: RouteNode, ground: ServerGround): void {
  const { authorities, clusterName, now, checksHostKeys } = ground;
  if (node.sub_kind !== 'openssh') {
    const { identity } = readHostCertificate(shown.blob, { authorities, clusterName, now, roles: ['node'] });
    if (identity.host_id === node.metadata.name) return;
    throw refuseCertificate('principal-not-listed', 'what answers is another server of this cluster');
  }
  if (!checksHostKeys) return;
  if (!shown.algorithm.includes('-cert-v01@')) {
    throw refuseCertificate(
      'wrong-type',
      'what answers has no host certificate of this cluster; make one with `gatectl auth sign --format=openssh --host=NAME`',
    );
  }
  const { certificate } = verifySshCertificate(shown.blob, {
    type: 'host',
    authorities,
    principal: null,
    now,
  });
  const names = namesOf(node, clusterName);
  if (certificate.principals.some((name) => names.has(name.toLowerCase()))) return;
  throw refuseCertificate('principal-not-listed', 'what answers has a certificate for other names');
}

function namesOf({ metadata, spec }: RouteNode, clusterName: string): ReadonlySet<string> {
  const addresses = [spec.addr, ...(spec.public_addrs ?? [])].filter((address) => address !== '');
  const hosts = addresses.map((address) => parseAddress(address, 22).host);
  // All machines call themselves by their loopback address.
  const usable = hosts.filter((host) => isIP(host) === 0 || !/^127\.|^::1$/.test(host));
  const names = [metadata.name, spec.hostname, ...usable].map((name) => name.toLowerCase());
  return new Set([...names, ...names.map((name) => `${name}.${clusterName.toLowerCase()}`)]);
}
