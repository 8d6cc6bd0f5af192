import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PacketBuffer } from './packet-buffer.ts';
import { packet, PacketReader, type Part } from '#wire/sftp/packets.ts';
import { ATTR, EXTENDED, OPEN, REPLY, REQUEST, STATUS } from '#wire/sftp/protocol.ts';
import { SftpServer } from './server.ts';

let folder: string;
let sent: Buffer[] = [];
let server: SftpServer;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-sftp-'));
  sent = [];
  server = new SftpServer({ home: folder, send: (data) => sent.push(Buffer.from(data)) });
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});
const at = (name: string): string => join(folder, name);
const NONE = 0;

/** Asks, and reads the one reply. */
function ask(type: number, ...parts: readonly Part[]): { type: number; reader: PacketReader } {
  sent = [];
  server.handle(packet(type, 1, ...parts).subarray(4));
  expect(sent).toHaveLength(1);
  const [reply] = sent;
  const reader = new PacketReader(reply!.subarray(5));
  expect(reader.uint32()).toBe(1);
  return { type: reply![4]!, reader };
}
const status = (type: number, ...parts: readonly Part[]): number => {
  const reply = ask(type, ...parts);
  expect(reply.type).toBe(REPLY.status);
  return reply.reader.uint32();
};
function open(path: string, flags: number): string {
  const reply = ask(REQUEST.open, path, flags, NONE);
  expect(reply.type).toBe(REPLY.handle);
  return reply.reader.handle();
}

describe('files', () => {
  it('ok: says its version and what it knows beyond', () => {
    server.handle(packet(REQUEST.init, 3).subarray(4));
    const reader = new PacketReader(sent[0]!.subarray(5));
    expect(reader.uint32()).toBe(3);
    expect([reader.text(), reader.text()]).toEqual([EXTENDED.posixRename, '1']);
  });
  it('ok: written in any order, read back, and at its end', () => {
    const handle = open(at('a'), OPEN.read | OPEN.write | OPEN.create);
    expect(status(REQUEST.write, handle, 5n, 'world')).toBe(STATUS.ok);
    expect(status(REQUEST.write, handle, 0n, 'hello')).toBe(STATUS.ok);
    expect(ask(REQUEST.read, handle, 3n, 4).reader.text()).toBe('lowo');
    expect(status(REQUEST.read, handle, 10n, 4)).toBe(STATUS.eof);
    expect(status(REQUEST.read, handle, 2n ** 64n - 1n, 4)).toBe(STATUS.eof);
    expect(status(REQUEST.close, handle)).toBe(STATUS.ok);
    expect(readFileSync(at('a'), 'utf8')).toBe('helloworld');
  });
  it('ok: appended to, cut, and made only once', () => {
    writeFileSync(at('log'), 'one,');
    const handle = open(at('log'), OPEN.write | OPEN.append);
    status(REQUEST.write, handle, 0n, 'two');
    expect(readFileSync(at('log'), 'utf8')).toBe('one,two');
    open(at('log'), OPEN.write | OPEN.truncate);
    expect(readFileSync(at('log'), 'utf8')).toBe('');
    expect(status(REQUEST.open, at('log'), OPEN.write | OPEN.create | OPEN.exclusive, NONE)).toBe(
      STATUS.failure,
    );
  });
  it('ok: names that are no UTF-8', () => {
    const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([0xff, 0xfe])]);
    expect(ask(REQUEST.open, path, OPEN.write | OPEN.create, NONE).type).toBe(REPLY.handle);
    expect(readdirSync(folder, { encoding: 'buffer' })).toEqual([Buffer.from([0xff, 0xfe])]);
  });
  it('ok: attributes are told and changed', () => {
    writeFileSync(at('a'), 'hello');
    const wanted: Part[] = [ATTR.size | ATTR.mode | ATTR.times, 2n, 0o640, 1_000_000_000, 1_100_000_000];
    expect(status(REQUEST.setstat, at('a'), ...wanted)).toBe(STATUS.ok);
    const { reader } = ask(REQUEST.stat, at('a'));
    expect([reader.uint32(), reader.uint64()]).toEqual([ATTR.size | ATTR.ids | ATTR.mode | ATTR.times, 2]);
    expect(statSync(at('a')).mode & 0o777).toBe(0o640);
    expect(statSync(at('a')).mtimeMs).toBe(1_100_000_000_000);
    const handle = open(at('a'), OPEN.write);
    expect(status(REQUEST.fsetstat, handle, ATTR.mode, 0o600)).toBe(STATUS.ok);
    expect(ask(REQUEST.fstat, handle).type).toBe(REPLY.attrs);
    expect(statSync(at('a')).mode & 0o777).toBe(0o600);
  });
});

describe('folders and names', () => {
  it('ok: listed whole, with what a person sees', () => {
    for (let i = 0; i < 250; i++) writeFileSync(at(`f${i}`), '');
    symlinkSync('/nowhere', at('link'));
    const handle = ask(REQUEST.opendir, folder).reader.handle();
    const names: string[] = [];
    for (
      let reply = ask(REQUEST.readdir, handle);
      reply.type === REPLY.name;
      reply = ask(REQUEST.readdir, handle)
    ) {
      const count = reply.reader.uint32();
      for (let i = 0; i < count; i++) {
        names.push(reply.reader.text());
        const line = reply.reader.text();
        expect(line).toMatch(names.at(-1) === 'link' ? /^lrwxrwxrwx / : /^[-d]rw/);
        reply.reader.skip(32);
      }
    }
    expect(names.sort()).toEqual(['.', '..', ...readdirSync(folder)].sort());
    expect(status(REQUEST.close, handle)).toBe(STATUS.ok);
  });
  it('ok: made, moved, linked and removed', () => {
    expect(status(REQUEST.mkdir, at('d'), ATTR.mode, 0o700)).toBe(STATUS.ok);
    writeFileSync(at('d/a'), 'x');
    expect(status(REQUEST.rename, at('d/a'), at('b'))).toBe(STATUS.ok);
    expect(status(REQUEST.extended, EXTENDED.hardlink, at('b'), at('c'))).toBe(STATUS.ok);
    expect(statSync(at('c')).nlink).toBe(2);
    expect(status(REQUEST.symlink, 'b', at('l'))).toBe(STATUS.ok);
    expect(readlinkSync(at('l'))).toBe('b');
    expect(ask(REQUEST.readlink, at('l')).reader.uint32()).toBe(1);
    expect(status(REQUEST.remove, at('l'))).toBe(STATUS.ok);
    expect(status(REQUEST.rename, at('d'), at('e'))).toBe(STATUS.ok);
    expect(status(REQUEST.rmdir, at('e'))).toBe(STATUS.ok);
    expect(readdirSync(folder).sort()).toEqual(['b', 'c']);
  });
  it('refuses: to replace a file, unless that is asked for', () => {
    writeFileSync(at('a'), 'a');
    writeFileSync(at('b'), 'b');
    mkdirSync(at('d'));
    expect(status(REQUEST.rename, at('a'), at('b'))).toBe(STATUS.failure);
    expect(status(REQUEST.rename, at('d'), at('b'))).toBe(STATUS.failure);
    expect(readFileSync(at('b'), 'utf8')).toBe('b');
    expect(status(REQUEST.extended, EXTENDED.posixRename, at('a'), at('b'))).toBe(STATUS.ok);
    expect(readFileSync(at('b'), 'utf8')).toBe('a');
  });
  it('ok: the absolute path, also of what is not there yet', () => {
    const real = (path: string): string => {
      const { reader } = ask(REQUEST.realpath, path);
      reader.skip(4);
      return reader.text();
    };
    mkdirSync(at('d'));
    symlinkSync('d', at('l'));
    expect(real(at('l/../l'))).toBe(at('d'));
    expect(real(at('l/new'))).toBe(at('d/new'));
    expect(real('/../..')).toBe('/');
    expect(real('/no-such-name')).toBe('/no-such-name');
    expect(status(REQUEST.realpath, at('no/such'))).toBe(STATUS.noSuchFile);
  });
  it('ok: extensions of OpenSSH', () => {
    expect(ask(REQUEST.extended, EXTENDED.statvfs, folder).type).toBe(REPLY.extended);
    const handle = open(at('a'), OPEN.write | OPEN.create);
    expect(ask(REQUEST.extended, EXTENDED.fstatvfs, handle).type).toBe(REPLY.extended);
    expect(status(REQUEST.extended, EXTENDED.fsync, handle)).toBe(STATUS.ok);
    const limits = ask(REQUEST.extended, EXTENDED.limits).reader;
    expect([limits.uint64(), limits.uint64()]).toEqual([262_144, 261_120]);
    symlinkSync('a', at('l'));
    expect(status(REQUEST.extended, EXTENDED.lsetstat, at('l'), ATTR.times, 1, 1_000_000_000)).toBe(
      STATUS.ok,
    );
    expect(lstatSync(at('l')).mtimeMs).toBe(1_000_000_000_000);
    const expanded = ask(REQUEST.extended, EXTENDED.expandPath, '~/x').reader;
    expanded.skip(4);
    expect(expanded.text()).toBe(at('x'));
    expect(status(REQUEST.extended, EXTENDED.expandPath, '~root/x')).toBe(STATUS.unsupported);
  });
});

describe('refusals', () => {
  it('S26 refuses: a NUL in a path, which would end it early', () => {
    writeFileSync(at('a'), 'x');
    expect(status(REQUEST.remove, `${at('a')}\0.txt`)).toBe(STATUS.badMessage);
    expect(status(REQUEST.rename, at('a'), `${at('b')}\0`)).toBe(STATUS.badMessage);
    expect(existsSync(at('a'))).toBe(true);
  });
  it.each([
    ['what is not there', REQUEST.stat, ['/no/such/file'], STATUS.noSuchFile],
    ['handles that it did not give', REQUEST.close, ['17'], STATUS.badMessage],
    ['reading from a handle that is none', REQUEST.read, ['', 0n, 1], STATUS.badMessage],
    ['requests that are cut short', REQUEST.stat, [], STATUS.badMessage],
    ['requests nobody knows', 99, [], STATUS.unsupported],
    ['extensions nobody knows', REQUEST.extended, ['x@y'], STATUS.unsupported],
    ['the mode of a link', REQUEST.extended, [EXTENDED.lsetstat, '/tmp', ATTR.mode, 0], STATUS.unsupported],
  ] as const)('refuses: %s', (_, type, parts, expected) => {
    expect(status(type, ...parts)).toBe(expected);
  });
  it('S33 refuses: more open files than it keeps count of', () => {
    writeFileSync(at('a'), '');
    const handles = Array.from({ length: 1000 }, () => open(at('a'), OPEN.read));
    expect(status(REQUEST.open, at('a'), OPEN.read, NONE)).toBe(STATUS.failure);
    expect(status(REQUEST.opendir, folder)).toBe(STATUS.failure);
    expect(status(REQUEST.close, handles[0]!)).toBe(STATUS.ok);
    open(at('a'), OPEN.read);
  });
  it('S33 ok: never gives more than fits a packet', () => {
    writeFileSync(at('a'), Buffer.alloc(600_000));
    expect(ask(REQUEST.read, open(at('a'), OPEN.read), 0n, 0xffff_ffff).reader.string()).toHaveLength(
      261_120,
    );
  });
  it('S33 refuses: packets beyond their size', () => {
    const packets = new PacketBuffer();
    packets.add(Buffer.from([0, 4, 0, 1]));
    expect(() => packets.next()).toThrow(/none of SFTP/);
  });
  it('ok: packets in pieces', () => {
    const packets = new PacketBuffer();
    const data = packet(REQUEST.write, 1, 'h', 0n, Buffer.alloc(200_000, 7));
    let found = 0;
    for (let round = 0; round < 20; round++) {
      for (let from = 0; from < data.length; from += 65_536) {
        packets.add(data.subarray(from, from + 65_536));
        for (let next = packets.next(); next !== undefined; next = packets.next()) {
          expect(next.equals(data.subarray(4))).toBe(true);
          found++;
        }
      }
    }
    expect(found).toBe(20);
  });
});
