// Fuzz target: what agents and proxies say to each other.
import { dial, peerDial, tunnelHello, tunnelWelcome } from './protocol.ts';

const client = '192.0.2.1:50000';

export const fuzz = {
  name: 'tunnel messages',
  seeds: [
    dial.encode({ service: 'ssh', client }),
    peerDial.encode({ service: 'ssh', client, target: 'node-1' }),
    tunnelHello.encode({ services: ['ssh'] }),
    tunnelWelcome.encode({ proxy_id: 'proxy-1' }),
  ],
  run(input: Uint8Array): void {
    const codecs = [dial, peerDial, tunnelHello, tunnelWelcome];
    let refusal: unknown;
    for (const codec of codecs) {
      try {
        codec.encode(codec.decode(input) as never);
        return;
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  },
};
