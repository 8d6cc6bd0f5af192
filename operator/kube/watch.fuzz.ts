// Fuzz target: the lines of a watch, from bytes to events.
import { LineSplitter } from '#client/lines.ts';
import { eventOf } from './client.ts';
import { CONFIG_MAPS } from './object-types.ts';

const line = (value: object): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);
const object = { metadata: { name: 'a', namespace: 'n', resourceVersion: '5' } };

export const fuzz = {
  name: 'operator/kube/watch',
  seeds: [
    line({ type: 'ADDED', object }),
    line({ type: 'DELETED', object: { ...object, data: { k: 'v' } } }),
    line({ type: 'BOOKMARK', object }),
    line({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } }),
    new Uint8Array([10, 10, 0, 255]),
  ],
  run(input: Uint8Array): void {
    const splitter = new LineSplitter();
    for (const value of splitter.push(input)) eventOf(value, CONFIG_MAPS);
    splitter.end();
  },
};
