// The `stdout://` sink: JSON lines to a stream, for collectors that read the output of the process. It keeps nothing,
// so it cannot be searched, and after a crash the last second of events may appear twice (each has its `uid`).
import type { Writable } from 'node:stream';
import { GatehouseError } from '#core/errors/error.ts';
import type { EventRecord } from '../record.ts';
import type { Sink } from '../sink.ts';

/** Writes to `stream` and waits whenever it is full; the stream stays the caller's to end. */
export function openStdoutSink(stream: Writable): Sink {
  const newest = new Map<string, number>();
  let closed = false;
  // A stream without a listener for errors would end the process when its reader goes away.
  const onError = (): void => {};
  stream.on('error', onError);
  const write = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const fail = (cause?: unknown): void =>
        reject(new GatehouseError('UNAVAILABLE', 'audit sink stdout: the stream is closed', { cause }));
      if (closed || stream.destroyed || stream.writableEnded) {
        fail();
        return;
      }
      stream.write(text, (error) => (error ? fail(error) : resolve()));
    });
  const append = async (records: readonly EventRecord[]): Promise<void> => {
    const fresh = records.filter(({ writer, seq }) => seq > (newest.get(writer) ?? 0));
    if (fresh.length === 0) return;
    await write(`${fresh.map((record) => record.line).join('\n')}\n`);
    for (const { writer, seq } of fresh) newest.set(writer, seq);
  };
  let queue: Promise<void> = Promise.resolve();
  return {
    name: 'stdout://',
    append(records) {
      const turn = queue.then(() => append(records));
      queue = turn.catch(() => undefined);
      return turn;
    },
    close() {
      closed = true;
      stream.off('error', onError);
      return Promise.resolve();
    },
  };
}
