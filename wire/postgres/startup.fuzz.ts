// Fuzz target: the first packet of a client, which anybody can send; and the answers of a database at the login.
import { parseFirstPacket } from './startup.ts';
import { readAuthentication, readBackendKey, readParameterStatus } from './server-messages.ts';
import { cancelRequest, sslRequest, startupPacket, uint32 } from './write.ts';

const LENGTH = 4;
const startup = startupPacket([
  ['user', 'alice'],
  ['database', 'shop'],
]);

export const fuzz = {
  name: 'PostgreSQL first packet',
  seeds: [
    startup.subarray(LENGTH),
    sslRequest().subarray(LENGTH),
    cancelRequest(7, 8).subarray(LENGTH),
    Buffer.concat([uint32(10), Buffer.from('SCRAM-SHA-256\0\0')]),
    Buffer.from('server_version\x0015.4\0'),
  ].map((seed) => new Uint8Array(seed)),
  run(input: Uint8Array): void {
    const bytes = Buffer.from(input);
    const readers = [parseFirstPacket, readAuthentication, readParameterStatus, readBackendKey];
    let failure: unknown;
    for (const read of readers) {
      try {
        read(bytes);
      } catch (error) {
        if ((error as Error).name !== 'GatehouseError') throw error;
        failure = error;
      }
    }
    const packet = parseFirstPacket(bytes);
    if (packet.type !== 'startup' || packet.major !== 3 || packet.minor !== 0) {
      if (failure !== undefined) throw failure;
      return;
    }
    const again = startupPacket(packet.parameters).subarray(LENGTH);
    if (!again.equals(bytes)) throw new Error('names would not be sent on as they were read');
  },
};
