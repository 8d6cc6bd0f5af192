// What the client of the admin reads is what comes, up to a limit.
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { AdminStream } from './admin-stream.ts';

test('ok: bytes both ways, and the end', async () => {
  const [near, far] = duplexPair();
  const stream = new AdminStream(near);
  stream.write('ask');
  expect(String((await once(far, 'data'))[0])).toBe('ask');
  far.write('answer');
  expect(String((await once(stream, 'data'))[0])).toBe('answer');
  far.end();
  await once(stream, 'end');
});

test('S34 refuses: a server that answers without end', async () => {
  const [near, far] = duplexPair();
  const stream = new AdminStream(near);
  const failed = once(stream, 'error');
  stream.resume();
  for (let n = 0; n < 70; n++) far.write(Buffer.alloc(64 * 1024));
  const [error] = (await failed) as [Error];
  expect(error.message).toContain('more than it was asked for');
  expect(near.destroyed).toBe(true);
});
