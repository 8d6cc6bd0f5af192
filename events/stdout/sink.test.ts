// JSON lines to a stream that may be slow, full or gone.
import { PassThrough, Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { Chain } from '../conformance/samples.ts';
import { openStdoutSink } from './sink.ts';

test('ok: one line per event, none twice', async () => {
  const stream = new PassThrough();
  const sink = openStdoutSink(stream);
  const records = new Chain().logins(3);
  await sink.append(records.slice(0, 2));
  await sink.append(records);
  expect((stream.read() as Buffer).toString()).toBe(records.map(({ line }) => `${line}\n`).join(''));
  await sink.close();
  expect(stream.writableEnded).toBe(false);
});

test('ok: waits for a stream that is full', async () => {
  const finish: (() => void)[] = [];
  const stream = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => finish.push(done) });
  const sink = openStdoutSink(stream);
  const records = new Chain().logins(3);
  let done = 0;
  const appends = records.map((record) => sink.append([record]).then(() => done++));
  await new Promise((resolve) => setImmediate(resolve));
  expect([done, stream.writableLength > 0]).toEqual([0, true]);
  for (let turn = 0; turn < 3; turn++) {
    finish.shift()?.();
    await appends[turn];
  }
  expect(done).toBe(3);
});

test('refuses: a stream whose reader went away, without ending the process', async () => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) });
  const sink = openStdoutSink(stream);
  const records = new Chain().logins(1);
  await expect(sink.append(records)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(sink.append(records)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await sink.close();
});
