import { describe, expect, it } from 'vitest';
import { SftpFrames } from './frames.ts';
import { packet } from './packets.ts';
import { EXTENDED, OPEN, REPLY, REQUEST } from './protocol.ts';
import { SftpWatch, type SftpAction } from './watch.ts';

function start() {
  const told: SftpAction[] = [];
  return { told, watch: new SftpWatch((action) => told.push(action)) };
}
const ok = (id: number): Buffer => packet(REPLY.status, id, 0, '', '');
const denied = (id: number): Buffer => packet(REPLY.status, id, 3, 'permission denied', '');
const init = packet(REQUEST.init, 3);
const version = packet(REPLY.version, 3);
const NO_ATTRIBUTES = 0;

/** A whole upload of `parts` bytes each. */
function upload(path: string, parts: readonly number[]): { requests: Buffer; replies: Buffer } {
  const requests = [init, packet(REQUEST.open, 1, path, OPEN.write | OPEN.create, NO_ATTRIBUTES)];
  const replies = [version, packet(REPLY.handle, 1, 'h')];
  parts.forEach((bytes, index) => {
    requests.push(packet(REQUEST.write, 2 + index, 'h', BigInt(index), Buffer.alloc(bytes)));
    replies.push(ok(2 + index));
  });
  requests.push(packet(REQUEST.close, 99, 'h'));
  replies.push(ok(99));
  return { requests: Buffer.concat(requests), replies: Buffer.concat(replies) };
}

describe('transfers', () => {
  it('ok: a file that was written, however the bytes are cut', () => {
    const { requests, replies } = upload('/srv/ä.bin', [32_768, 32_768, 5]);
    for (const size of [1, 13, 4096, 1_000_000]) {
      const { told, watch } = start();
      // The open must be answered before what follows it.
      const split = init.length + packet(REQUEST.open, 1, '/srv/ä.bin', 0, 0).length;
      const feed = (data: Buffer, take: (part: Buffer) => void): void => {
        for (let at = 0; at < data.length; at += size) take(data.subarray(at, at + size));
      };
      feed(requests.subarray(0, split), (part) => watch.input(part));
      watch.output(replies.subarray(0, version.length + packet(REPLY.handle, 1, 'h').length));
      feed(requests.subarray(split), (part) => watch.input(part));
      feed(replies.subarray(version.length + packet(REPLY.handle, 1, 'h').length), (part) =>
        watch.output(part),
      );
      expect(told).toEqual([{ action: 'write', path: '/srv/ä.bin', tx: 0, rx: 65_541, success: true }]);
    }
  });
  it('ok: a file that was read, by many requests at once', () => {
    const { told, watch } = start();
    watch.input(packet(REQUEST.open, 7, '/etc/hosts', OPEN.read, NO_ATTRIBUTES));
    watch.output(packet(REPLY.handle, 7, 'x'));
    for (let id = 10; id < 74; id++) watch.input(packet(REQUEST.read, id, 'x', BigInt(id), 1000));
    for (let id = 10; id < 73; id++) watch.output(packet(REPLY.data, id, Buffer.alloc(1000)));
    watch.output(packet(REPLY.status, 73, 1, 'end of file', ''));
    watch.input(packet(REQUEST.close, 80, 'x'));
    watch.output(ok(80));
    expect(told).toEqual([{ action: 'read', path: '/etc/hosts', tx: 63_000, rx: 0, success: true }]);
  });
  it('ok: a file that could not be opened', () => {
    const { told, watch } = start();
    watch.input(packet(REQUEST.open, 1, '/root/x', OPEN.write, NO_ATTRIBUTES));
    watch.output(denied(1));
    expect(told).toEqual([{ action: 'open', path: '/root/x', success: false, error: 'permission denied' }]);
  });
  it('ok: files that are open at the end are told as such', () => {
    const { told, watch } = start();
    watch.input(packet(REQUEST.open, 1, 'a', OPEN.read, NO_ATTRIBUTES));
    watch.output(packet(REPLY.handle, 1, 'h'));
    watch.end();
    watch.end();
    expect(told).toMatchObject([{ action: 'read', path: 'a', success: false }]);
  });
});

describe('changes', () => {
  it.each([
    ['remove', packet(REQUEST.remove, 1, 'a'), { path: 'a' }],
    ['mkdir', packet(REQUEST.mkdir, 1, 'd', NO_ATTRIBUTES), { path: 'd' }],
    ['rmdir', packet(REQUEST.rmdir, 1, 'd'), { path: 'd' }],
    ['setstat', packet(REQUEST.setstat, 1, 'a', NO_ATTRIBUTES), { path: 'a' }],
    ['rename', packet(REQUEST.rename, 1, 'a', 'b'), { path: 'a', target_path: 'b' }],
    ['rename', packet(REQUEST.extended, 1, EXTENDED.posixRename, 'a', 'b'), { path: 'a', target_path: 'b' }],
    ['link', packet(REQUEST.extended, 1, EXTENDED.hardlink, 'a', 'b'), { path: 'a', target_path: 'b' }],
    [
      'symlink',
      packet(REQUEST.symlink, 1, '/etc/shadow', 'link'),
      { path: 'link', target_path: '/etc/shadow' },
    ],
  ])('S35 ok: %s, done and refused', (action, request, fields) => {
    const { told, watch } = start();
    watch.input(request);
    watch.output(ok(1));
    watch.input(request);
    watch.output(denied(1));
    expect(told).toEqual([
      { action, ...fields, success: true },
      { action, ...fields, success: false, error: 'permission denied' },
    ]);
  });
  it('ok: a listing is told, attributes that were asked for are not', () => {
    const { told, watch } = start();
    watch.input(packet(REQUEST.opendir, 1, '/srv'));
    watch.output(packet(REPLY.handle, 1, 'd'));
    watch.input(Buffer.concat([packet(REQUEST.stat, 2, '/x'), packet(REQUEST.lstat, 3, '/x')]));
    watch.output(Buffer.concat([packet(REPLY.attrs, 2, 0), packet(REPLY.attrs, 3, 0)]));
    expect(told).toEqual([{ action: 'list', path: '/srv', success: true }]);
  });
});

describe('bounds', () => {
  it('S33 ok: requests that are never answered, and files that are never closed, are forgotten', () => {
    const { told, watch } = start();
    for (let id = 0; id < 20_000; id++) watch.input(packet(REQUEST.remove, id, 'x'.repeat(100)));
    watch.output(ok(0));
    expect(told).toEqual([]);
    watch.output(ok(19_999));
    expect(told).toHaveLength(1);
  });
  it('S33 refuses: packets of no size or of any size', () => {
    for (const length of [0, 0xffff_ffff, 2_000_000]) {
      const frames = new SftpFrames(() => {});
      const head = Buffer.alloc(16);
      head.writeUInt32BE(length, 0);
      frames.push(head);
      expect(frames.isLost).toBe(true);
    }
  });
  it('S33 ok: long packets are shown by their start', () => {
    const shown: number[] = [];
    const frames = new SftpFrames(({ body }) => shown.push(body.length));
    frames.push(packet(REQUEST.write, 1, 'h', 0n, Buffer.alloc(200_000)));
    frames.push(packet(REQUEST.remove, 1, 'x'.repeat(100_000)));
    expect(shown).toEqual([319, 16 * 1024 - 1]);
  });
});
