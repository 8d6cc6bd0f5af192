// Fuzz target: the identity extension of an SSH certificate.
import { readSshIdentity, SSH_IDENTITY_EXTENSION, writeSshIdentity } from './ssh-identity.ts';

export const fuzz = {
  name: 'ssh-identity',
  seeds: [
    Buffer.from(writeSshIdentity({ kind: 'admin', cluster: 'c', name: 'a' })),
    Buffer.from(writeSshIdentity({ kind: 'host', cluster: 'c', host_id: 'h', name: 'n', roles: ['node'] })),
    Buffer.from(`${'['.repeat(5000)}`),
  ],
  run(input: Uint8Array): void {
    readSshIdentity(new Map([[SSH_IDENTITY_EXTENSION, Buffer.from(input).toString('latin1')]]));
  },
};
