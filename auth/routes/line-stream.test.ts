// The stream of lines itself: what waits for a slow reader is bounded, and who stalls is let go.
import { describe, expect, test } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { LineStream } from './line-stream.ts';

const LINE = 'x'.repeat(1000);
const make = () => {
  const clock = new FakeClock();
  return { clock, lines: new LineStream({ clock, maxWaiting: 100_000, stallMs: 30_000 }) };
};
const readAll = async (lines: LineStream): Promise<string> => {
  let text = '';
  for await (const part of lines.body as AsyncIterable<Buffer>) text += part.toString('utf8');
  return text;
};

describe('line stream', () => {
  test('ok: lines arrive in order, and the end after them', async () => {
    const { lines } = make();
    for (let i = 0; i < 3; i++) await lines.send({ i });
    lines.end();
    expect(lines.offer({ late: true })).toBe(false);
    expect(await readAll(lines)).toBe('{"i":0}\n{"i":1}\n{"i":2}\n');
  });

  test('S33 a reader that takes nothing makes nothing pile up, and is told when it comes back', async () => {
    const { clock, lines } = make();
    let sent = 0;
    const sending = (async () => {
      for (;;) {
        await lines.send({ LINE });
        sent++;
      }
    })().catch((error: unknown) => {
      lines.fail(error);
      return error;
    });
    await clock.advance(0);
    expect(lines.body.readableLength).toBeLessThan(103_000);
    const held = sent;
    await clock.advance(29_999);
    expect(sent).toBe(held);
    await clock.advance(1);
    expect(isCode(await sending, 'REVISION_COMPACTED')).toBe(true);
    expect((await readAll(lines)).trimEnd().split('\n').at(-1)).toContain('REVISION_COMPACTED');
  });

  test('ok: a reader that goes on in time gets everything', async () => {
    const { clock, lines } = make();
    const sending = (async () => {
      for (let i = 0; i < 1000; i++) await lines.send({ LINE });
      lines.end();
    })();
    await clock.advance(20_000);
    const text = await readAll(lines);
    await sending;
    expect(text.split('\n').length).toBe(1001);
  });

  test('S33 a reader that never takes the last lines is cut off', async () => {
    const { clock, lines } = make();
    lines.offer({ LINE });
    lines.fail(new Error('secret cause'));
    await clock.advance(29_999);
    expect(lines.body.destroyed).toBe(false);
    await clock.advance(1);
    expect(lines.body.destroyed).toBe(true);
  });

  test('S36 an unknown error says nothing of itself', async () => {
    const { lines } = make();
    lines.fail(new Error('secret cause'));
    const text = await readAll(lines);
    expect(text).toContain('INTERNAL');
    expect(text).not.toContain('secret');
  });

  test('ok: a reader that leaves ends the waiting of the sender', async () => {
    const { lines } = make();
    while (lines.offer({ LINE })) continue;
    const sending = lines.send({ LINE });
    lines.body.destroy();
    await sending;
    expect(lines.isEnded).toBe(true);
  });
});
