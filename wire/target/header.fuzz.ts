// Fuzz target: what a proxy says ahead of a client's bytes.
import { GatehouseError } from '#core/errors/error.ts';
import { isCancel, parseTargetHeader, writeTargetHeader, type TargetHeader } from './header.ts';

const client = '192.0.2.7:50000';
const seeds: readonly TargetHeader[] = [
  { service: 'db', target: 'orders', client, certificate: 'MIIB' },
  { service: 'app', target: 'wiki', client, certificate: 'MIIB', session: 'abc' },
  { service: 'db', client, cancel: { process_id: 1, secret: 4_294_967_295 } },
];

export const fuzz = {
  name: 'target header',
  seeds: seeds.map((seed) => writeTargetHeader(seed).subarray(4)),
  run(input: Uint8Array): void {
    let header: TargetHeader;
    try {
      header = parseTargetHeader(input);
    } catch (error) {
      if (error instanceof GatehouseError && error.code === 'BAD_REQUEST') return;
      throw error;
    }
    const again = parseTargetHeader(writeTargetHeader(header).subarray(4));
    if (JSON.stringify(again) !== JSON.stringify(header)) throw new Error('it is not read as it was written');
    if (isCancel(header) !== Object.hasOwn(header, 'cancel')) throw new Error('two sorts at once');
  },
};
