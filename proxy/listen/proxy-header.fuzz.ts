// Fuzz target: headers of the PROXY protocol. Besides not failing, what is read lies within the bytes.
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from './proxy-header.ts';

const V2 = '0d0a0d0a000d0a515549540a';

export const fuzz = {
  name: 'proxy protocol header',
  seeds: [
    new Uint8Array(Buffer.from('PROXY TCP4 192.0.2.1 10.0.0.1 51000 443\r\nSSH-2.0-x\r\n')),
    new Uint8Array(Buffer.from('PROXY UNKNOWN\r\n')),
    new Uint8Array(Buffer.from(`${V2}2111000cc00002010a000001c73801bb`, 'hex')),
    new Uint8Array(Buffer.from(`${V2}20000000`, 'hex')),
  ],
  run(input: Uint8Array): void {
    const header = readProxyHeader(input);
    if (header === 'partial' && input.length >= MAX_PROXY_HEADER_BYTES)
      throw new Error('too much is asked for');
    if (typeof header === 'object' && header.length > input.length) throw new Error('longer than what came');
  },
};
