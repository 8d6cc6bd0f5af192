// The header of a target on streams: cut anywhere, too long, missing, and what follows it.
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { parseTargetHeader, readTargetHeader, writeTargetHeader, type TargetHeader } from './header.ts';

const client = '192.0.2.7:50000';
const header: TargetHeader = { service: 'db', target: 'orders', client, certificate: 'A'.repeat(20_000) };
const clock = new FakeClock();
const limits = { clock, timeoutMs: 10_000 };

describe('on a stream', () => {
  it.each([1, 3, 1000, 100_000])('ok: in pieces of %i bytes, and what follows is left', async (size) => {
    const [near, far] = duplexPair();
    const bytes = Buffer.concat([writeTargetHeader(header), Buffer.from('startup')]);
    void (async () => {
      for (let at = 0; at < bytes.length; at += size) {
        if (!near.write(bytes.subarray(at, at + size))) await new Promise((go) => near.once('drain', go));
      }
    })();
    expect(await readTargetHeader(far, limits)).toEqual(header);
    let rest = '';
    far.on('data', (data) => (rest += String(data)));
    near.end();
    await new Promise((resolve) => far.once('end', resolve));
    expect(rest).toBe('startup');
  });

  it('S32 refuses: silence, an early end, lengths out of bounds', async () => {
    const [, silent] = duplexPair();
    const late = expect(readTargetHeader(silent, limits)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await clock.advance(10_001);
    await late;
    const [ending, ended] = duplexPair();
    ending.end(writeTargetHeader(header).subarray(0, 100));
    await expect(readTargetHeader(ended, limits)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    for (const length of [0, 32 * 1024 + 1, 0xffff_ffff]) {
      const [near, far] = duplexPair();
      const head = Buffer.alloc(4);
      head.writeUInt32BE(length);
      near.write(head);
      await expect(readTargetHeader(far, limits)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    }
  });
});

describe('its fields', () => {
  const parse = (value: unknown): TargetHeader => parseTargetHeader(Buffer.from(JSON.stringify(value)));

  it('ok: fields of a newer proxy are passed over', () => {
    expect(parse({ ...header, later: 1 })).toEqual(header);
  });

  it.each([
    ['another service', { ...header, service: 'ssh' }],
    ['no target', { ...header, target: '' }],
    ['no certificate', { ...header, certificate: undefined }],
    ['a certificate that is no base64', { ...header, certificate: '***=' }],
    ['a client without an address', { ...header, client: 'example.com:1' }],
    ['a cancel of an application', { service: 'app', client, cancel: { process_id: 1, secret: 1 } }],
    ['a cancel with wide numbers', { service: 'db', client, cancel: { process_id: 2 ** 32, secret: 1 } }],
    ['a list', []],
  ])('S33 refuses: %s', (_, value) => {
    expect(() => parse(value)).toThrow(/not understood/);
  });
});
