// The key and certificate that this host shows to SSH clients: those of the membership, read once per renewal.
import { createPrivateKey } from 'node:crypto';
import type { HostRecord } from '#client/credentials.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { parseLine } from '#core/certs/ssh/lines.ts';
import { MAX_CERTIFICATE_BYTES } from '#core/certs/ssh/policy.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { SshKey } from '#wire/ssh/ssh.ts';

/** UNAVAILABLE from the result until the host has joined. New certificates are used from the next call on. */
export function hostKeys(record: () => HostRecord | undefined): () => readonly SshKey[] {
  let known: { readonly of: HostRecord; readonly keys: readonly SshKey[] } | undefined;
  return () => {
    const current = record();
    if (current === undefined) throw new GatehouseError('UNAVAILABLE', 'this host has not joined yet');
    if (known?.of !== current) known = { of: current, keys: [readKey(current)] };
    return known.keys;
  };
}

function readKey({ ssh_private_key: key, certificates }: HostRecord): SshKey {
  const { blob } = parseLine(certificates.ssh_certificate, MAX_CERTIFICATE_BYTES, refuseInput);
  return { privateKey: createPrivateKey(key), certificate: blob };
}
