// Fuzz target: the first lines of a connection to a server through the proxy.
import {
  encodeProxyRefusal,
  encodeProxyRequest,
  parseProxyRequest,
  PROXY_READY,
  requireProxyReady,
} from './proxy-request.ts';

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

export const fuzz = {
  name: 'proxy request',
  seeds: [
    bytes(encodeProxyRequest({ target: 'web-1', port: 22, cluster: 'example.com' })),
    bytes(PROXY_READY),
    bytes(encodeProxyRefusal(new Error('x'))),
  ],
  run(input: Uint8Array): void {
    if (Buffer.from(input).includes('"ok"')) requireProxyReady(input);
    else parseProxyRequest(input);
  },
};
