// Fuzz target: what a local proxy tells an agent of a signature. What is read must be written the same again.
import { readRelayScope, writeRelayScope } from './relay.ts';

const scope = {
  algorithm: 'AWS4-HMAC-SHA256',
  service: 's3',
  region: 'us-east-1',
  payload: 'UNSIGNED-PAYLOAD',
} as const;

export const fuzz = {
  name: 'aws relay scope',
  seeds: [scope, { ...scope, expires: 900 }, { ...scope, payload: 'ab'.repeat(32) }].map(
    (one) => new Uint8Array(Buffer.from(writeRelayScope(one))),
  ),
  run(input: Uint8Array): void {
    const read = readRelayScope(Buffer.from(input).toString('latin1'));
    const again = readRelayScope(writeRelayScope(read));
    if (JSON.stringify(again) !== JSON.stringify(read)) throw new Error('the scope was not read as written');
  },
};
