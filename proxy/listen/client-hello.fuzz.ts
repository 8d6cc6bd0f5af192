// Fuzz target: first messages of TLS clients, and whatever else comes first on the web port.
import { detect } from './detect.ts';
import { helloBytes } from '#test/kit/client-hello.ts';

export const fuzz = {
  name: 'first bytes of a connection',
  seeds: [
    helloBytes({ serverName: 'proxy.example.com', protocols: ['gatehouse-auth', 'http/1.1'] }),
    helloBytes({ protocols: ['h2'] }),
    new Uint8Array(Buffer.from('SSH-2.0-OpenSSH_9.2\r\n')),
    new Uint8Array(Buffer.from('GET / HTTP/1.1\r\n')),
    new Uint8Array(Buffer.from('0000001004d2162e0000000100000002', 'hex')),
    new Uint8Array(Buffer.from('0000000804d2162f', 'hex')),
  ],
  run(input: Uint8Array): void {
    const whole = detect(input);
    if (whole === 'partial' && input.length >= 16 * 1024) throw new Error('more than the limit is asked for');
    // What was decided early stays so: later bytes change nothing.
    for (const part of [input.subarray(0, input.length >> 1), input.subarray(0, 5)]) {
      const early = detect(part);
      if (early !== 'partial' && JSON.stringify(early) !== JSON.stringify(whole)) {
        throw new Error('the beginning was taken for something else');
      }
    }
  },
};
