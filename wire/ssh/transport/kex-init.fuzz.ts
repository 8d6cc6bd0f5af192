// Fuzz target: the lists of a stranger, and what both ends make of them.
import { agree, encodeKexInit, ownLists, parseKexInit, takesGcm } from './kex-init.ts';

const server = ownLists('server', true, ['ssh-ed25519', 'rsa-sha2-512'], false);
const client = ownLists('client', true, ['rsa-sha2-512'], false);

export const fuzz = {
  name: 'ssh kexinit',
  seeds: [server, client].map((lists) => new Uint8Array(encodeKexInit(lists))),
  run(input: Uint8Array): void {
    const theirs = parseKexInit(Buffer.from(input));
    takesGcm(theirs);
    agree(theirs, server);
    agree(client, theirs);
  },
};
