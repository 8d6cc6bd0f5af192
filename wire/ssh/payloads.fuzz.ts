// Fuzz target: payloads of requests and openings. Whatever is read must be written the same again.
import { decodeTerminalModes, encodeTerminalModes } from './terminal-modes.ts';
import * as payloads from './payloads.ts';
import type { PayloadCodec } from './payload-codec.ts';

const codecs = Object.values(payloads) as PayloadCodec<object>[];
const samples: readonly Uint8Array[] = [
  payloads.ptyRequest.encode({
    term: 'xterm-256color',
    columns: 80,
    rows: 24,
    widthPixels: 640,
    heightPixels: 480,
    modes: encodeTerminalModes([
      [53, 1],
      [128, 38400],
    ]),
  }),
  payloads.envRequest.encode({ name: 'LANG', value: 'C.UTF-8' }),
  payloads.exitSignal.encode({ signal: 'TERM', coreDumped: true, message: 'bye', language: 'en' }),
  payloads.directTcpip.encode({ host: 'db', port: 5432, originHost: '::1', originPort: 4711 }),
  payloads.x11Request.encode({
    singleConnection: false,
    protocol: 'MIT-MAGIC-COOKIE-1',
    cookie: '0011aabb',
    screen: 0,
  }),
];

export const fuzz = {
  name: 'ssh payloads',
  // The first byte says which codec.
  seeds: samples.flatMap((sample) => codecs.map((_, index) => Buffer.from([index, ...sample]))),
  run(input: Uint8Array): void {
    const body = input.subarray(1);
    const codec = codecs[(input[0] ?? 0) % (codecs.length + 1)];
    if (codec === undefined) {
      decodeTerminalModes(body);
      return;
    }
    const value = codec.decode(body);
    const again = codec.encode(value);
    // Any other byte than 0 is true, and is written as 1.
    if (again.length !== body.length || Buffer.compare(codec.encode(codec.decode(again)), again) !== 0)
      throw new Error('it was not read as written');
  },
};
