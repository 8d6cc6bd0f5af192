// Fuzz target: the lines of a feed, from bytes to a snapshot and to changes.
import { LineSplitter } from './lines.ts';
import { readBatch, SnapshotReader } from './watch.ts';

const lines = (...values: object[]): Uint8Array =>
  new TextEncoder().encode(values.map((value) => `${JSON.stringify(value)}\n`).join(''));
const resource = { kind: 'lock', version: 'v2', metadata: { name: 'l', revision: '4' }, spec: {} };

export const fuzz = {
  name: 'client/watch',
  seeds: [
    lines({ resource }, { revision: '7' }),
    lines({ revision: '7', events: [] }, { revision: '8', events: [{ type: 'put', resource }] }),
    lines({ revision: '9', events: [{ type: 'delete', kind: 'lock', name: 'l' }] }),
    lines({ error: { code: 'REVISION_COMPACTED', message: 'too old' } }),
    new Uint8Array([10, 10, 0, 255]),
  ],
  run(input: Uint8Array): void {
    const splitter = new LineSplitter();
    const half = input.length >> 1;
    const values = [...splitter.push(input.subarray(0, half)), ...splitter.push(input.subarray(half))];
    splitter.end();
    if (input[2] === 0x72 && input[5] === 0x6f) {
      const snapshot = new SnapshotReader();
      for (const value of values) snapshot.take(value);
      snapshot.end();
    } else {
      for (const value of values) readBatch(value);
    }
  },
};
