// Fuzz target: the stored identity of a host, as a file or Secret may come back.
import { decodeRecord, encodeRecord, type HostRecord } from './credentials.ts';

/** Of the right shape; its keys are none. */
export const sampleRecord: HostRecord = {
  format: 1,
  generation: 1,
  roles: ['node'],
  node_name: 'web-1',
  auth_servers: ['10.0.10.5:3025'],
  ssh_private_key: 'the-private-key-of-ssh',
  tls_private_key: 'the-private-key-of-tls',
  certificates: {
    host_id: 'a0f0f0d8-0000-4000-8000-000000000000',
    cluster_name: 'main.example.com',
    ssh_certificate: 'ssh-ed25519-cert-v01@openssh.com AAAA',
    tls_certificate: 'PEM',
    tls_authorities: { host: ['PEM'], user: ['PEM'] },
    ssh_authorities: { host: ['ssh-ed25519 AAAA'], user: [] },
  },
};

export const fuzz = {
  name: 'client/credentials',
  seeds: [
    encodeRecord(sampleRecord),
    JSON.stringify({ checksum: '', record: sampleRecord }),
    'null',
    '[]',
    '{"record":{}}',
  ].map((text) => new TextEncoder().encode(text)),
  run(input: Uint8Array): void {
    decodeRecord(new TextDecoder().decode(input), 'the fuzzer');
  },
};
