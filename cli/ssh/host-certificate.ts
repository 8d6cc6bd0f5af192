// Whether the machine at the other end is the server that was asked for: a certificate of the cluster's host authority
// that names it. There is no other way to be believed, no first use and no question (S30).
import { formatIp, parseIp } from '#core/certs/ip-address.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { GatehouseError } from '#core/errors/error.ts';

/** Plain keys are never asked for. */
export const HOST_CERTIFICATE_ALGORITHMS: readonly string[] = [
  'ssh-ed25519-cert-v01@openssh.com',
  'ecdsa-sha2-nistp256-cert-v01@openssh.com',
  'ecdsa-sha2-nistp384-cert-v01@openssh.com',
  'ecdsa-sha2-nistp521-cert-v01@openssh.com',
  'rsa-sha2-512-cert-v01@openssh.com',
  'rsa-sha2-256-cert-v01@openssh.com',
];

export interface HostContext {
  readonly authorities: readonly SshPublicKey[];
  /** Any of them will do; see hostNamesOf. */
  readonly names: readonly string[];
  readonly now: number;
}

/** CERTIFICATE_INVALID names what was asked for and what answers. */
export function requireHost(blob: Uint8Array, { authorities, names, now }: HostContext): void {
  const { certificate } = verifySshCertificate(blob, { type: 'host', authorities, principal: null, now });
  if (names.some((name) => certificate.principals.includes(name))) return;
  const shown = certificate.principals.slice(0, 4).join(', ');
  throw new GatehouseError(
    'CERTIFICATE_INVALID',
    `the server that answers is not ${names[0] ?? 'the one asked for'}: its certificate is for ${shown === '' ? 'no name' : shown}`,
    { details: { remedy: 'Nothing was sent to it. Name the server as `gate ls` does.' } },
  );
}

/** How certificates write what a person typed: lower case, addresses in their shortest form. */
export function hostNamesOf(target: string): readonly string[] {
  const ip = parseIp(target.replace(/^\[(.*)\]$/, '$1'));
  return [ip === undefined ? target.toLowerCase() : formatIp(ip)];
}
