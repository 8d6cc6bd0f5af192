import { once } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { pour } from './pour.ts';

/** Takes a write at a time, when it is told to. */
class Slow extends Writable {
  readonly written: Buffer[] = [];
  #next: (() => void) | undefined;
  override _write(piece: Buffer, _: string, done: () => void): void {
    this.written.push(piece);
    this.#next = done;
  }
  go(): void {
    this.#next?.();
  }
}

describe('pour', () => {
  it('ok: all of it, in order, and what arrives together leaves together', async () => {
    const pieces = Array.from({ length: 100 }, (_, at) => Buffer.alloc(1000, at));
    const writes: Buffer[] = [];
    const sink = new Writable({
      write(piece: Buffer, _, done) {
        writes.push(piece);
        done();
      },
    });
    await pour(Readable.from(pieces, { objectMode: false }), sink);
    expect(Buffer.concat(writes).equals(Buffer.concat(pieces))).toBe(true);
    expect(writes.length).toBeLessThan(50);
  });

  it('ok: a source that gives nothing ends the sink', async () => {
    const sink = new PassThrough();
    await pour(Readable.from([], { objectMode: false }), sink);
    expect(sink.writableFinished).toBe(true);
  });

  it('ok: a slow sink holds the source', async () => {
    let given = 0;
    const source = new Readable({
      read() {
        given += 64 * 1024;
        this.push(Buffer.alloc(64 * 1024));
      },
    });
    const sink = new Slow();
    const poured = pour(source, sink);
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeLessThan(2 * 1024 * 1024);
    const before = given;
    sink.go();
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(given).toBeGreaterThan(before);
    source.destroy();
    await expect(poured).rejects.toThrow('before its end');
    expect(sink.destroyed).toBe(true);
  });

  it('refuses: a source that fails or closes early is no whole body', async () => {
    for (const error of [new Error('broken'), undefined]) {
      const source = new PassThrough();
      const sink = new PassThrough();
      const poured = pour(source, sink);
      source.write('part');
      await once(sink, 'readable');
      source.destroy(error);
      await expect(poured).rejects.toThrow(error === undefined ? 'before its end' : 'broken');
      expect([sink.destroyed, sink.writableFinished]).toEqual([true, false]);
    }
  });

  it('refuses: a sink that closes ends the source', async () => {
    const source = new PassThrough();
    const sink = new PassThrough();
    const poured = pour(source, sink);
    sink.destroy();
    await expect(poured).rejects.toThrow('other side');
    expect(source.destroyed).toBe(true);
  });
});
