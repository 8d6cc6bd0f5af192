// Fuzz target: files that are said to be recordings.
import { ExportReader } from './read-export.ts';

const seeds = [
  '{"at":0,"type":"output","bytes":"aGk="}\n{"at":5,"type":"resize","columns":80,"rows":25}\n',
  '{"version":2,"width":80,"height":25}\n[0.1,"o","hi"]\n[1,"r","100x30"]\n',
  '{"at":1,"type":"event","name":"x","fields":{"a":1}}\n{"at":2,"type":"gap","omittedBytes":7}\n',
];

export const fuzz = {
  name: 'recording export',
  seeds: seeds.map((text) => new Uint8Array(Buffer.from(text))),
  run(input: Uint8Array): void {
    const reader = new ExportReader();
    const middle = input.length >> 1;
    for (const part of [input.subarray(0, middle), input.subarray(middle)])
      for (const frame of reader.push(part)) if (frame.at < 0) throw new Error('a frame before the start');
    for (const frame of reader.finish()) if (frame.at < 0) throw new Error('a frame before the start');
  },
};
