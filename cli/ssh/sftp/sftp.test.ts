// Transfers against the SFTP server of OpenSSH, and against servers that lie.
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WireReader, WireWriter } from '#core/certs/ssh/wire.ts';
import { refuseInput } from '#core/certs/refusal.ts';
import { systemClock } from '#core/clock.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { serveEverything } from '#test/kit/toy-ssh-server.ts';
import { connectedPair, type ConnectedPair } from '#wire/ssh/pair.ts';
import type { Channel, ConnectionHandlers } from '#wire/ssh/ssh.ts';
import { openSftp, type Sftp } from './client.ts';
import { Copy, type CopyOptions } from './copy.ts';
import { PacketReader } from './packet-reader.ts';
import { noProgress } from './progress.ts';
import { REPLY, REQUEST } from '#wire/sftp/protocol.ts';
import { SftpShell } from './shell.ts';

const root = tempFolder();
let here: string;
let there: string;
let pair: ConnectedPair | undefined;
let count = 0;

beforeEach(() => {
  const folder = join(root, String(++count));
  [here, there] = [join(folder, 'here'), join(folder, 'there')];
  mkdirSync(here, { recursive: true });
  mkdirSync(there);
});
afterEach(async () => {
  await pair?.close();
  pair = undefined;
});

async function connect(server?: ConnectionHandlers): Promise<Sftp> {
  pair = await connectedPair({
    clock: systemClock,
    server: (connection) => server ?? serveEverything(connection),
  });
  return openSftp(pair.client);
}

interface Copied {
  readonly copy: Copy;
  readonly notes: string[];
  readonly drafts: Set<string>;
}

function copier(sftp: Sftp, about: Partial<CopyOptions> = {}): Copied {
  const notes: string[] = [];
  const drafts = new Set<string>();
  const onNote = (text: string): void => void notes.push(text);
  const options = { sftp, drafts, progress: noProgress, keeps: false, isRecursive: false, onNote, ...about };
  return { copy: new Copy(options), notes, drafts };
}

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
const tree = (folder: string): string[] => readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();

describe('copies', () => {
  test('ok: a large file to the server and back is the same', async () => {
    const sftp = await connect();
    expect(sftp.blockBytes).toBeGreaterThan(200_000);
    writeFileSync(join(here, 'a'), randomBytes(30_000_001));
    const { copy } = copier(sftp);
    await copy.put([join(here, 'a')], there);
    await copy.get([join(there, 'a')], join(here, 'b'));
    expect([copy.failures, hash(join(there, 'a')), hash(join(here, 'b'))]).toEqual([
      0,
      hash(join(here, 'a')),
      hash(join(here, 'a')),
    ]);
  });

  test('ok: empty files, files of the kernel, and what was longer before', async () => {
    const sftp = await connect();
    writeFileSync(join(there, 'empty'), '');
    writeFileSync(join(here, 'empty'), 'was longer');
    const { copy } = copier(sftp);
    await copy.get([join(there, 'empty'), '/proc/self/status'], here);
    expect(readFileSync(join(here, 'empty'), 'utf8')).toBe('');
    expect(readFileSync(join(here, 'status'), 'utf8')).toContain('sftp-server');
    expect(copy.failures).toBe(0);
  });

  test('ok: folders with modes and times; links lead to what they mean, and not round in circles', async () => {
    const source = join(here, 'source');
    mkdirSync(join(source, 'sub'), { recursive: true });
    writeFileSync(join(source, 'sub', 'run.sh'), 'x');
    chmodSync(join(source, 'sub', 'run.sh'), 0o750);
    utimesSync(join(source, 'sub', 'run.sh'), 1000, 2000);
    symlinkSync('sub/run.sh', join(source, 'link'));
    symlinkSync('..', join(source, 'sub', 'up'));
    const sftp = await connect();
    const up = copier(sftp, { isRecursive: true, keeps: true });
    await up.copy.put([source], join(there, 'copy'));
    expect(tree(join(there, 'copy'))).toEqual(['link', 'sub', 'sub/run.sh']);
    expect(up.notes).toEqual([expect.stringMatching(/sub\/up is within itself/)]);
    symlinkSync('..', join(there, 'copy', 'sub', 'up'));
    const down = copier(sftp, { isRecursive: true, keeps: true });
    await down.copy.get([join(there, 'copy')], here);
    expect(tree(join(here, 'copy'))).toEqual(['link', 'sub', 'sub/run.sh']);
    expect(down.notes).toEqual([expect.stringMatching(/sub\/up is within itself/)]);
    const { mode, mtimeMs } = statSync(join(here, 'copy/sub/run.sh'));
    expect([mode & 0o7777, mtimeMs]).toEqual([0o750, 2_000_000]);
  });

  test('ok: patterns, and the rest when one cannot be copied', async () => {
    for (const name of ['a.log', 'b.log', 'c.txt', '.d.log']) writeFileSync(join(there, name), name);
    const sftp = await connect();
    const { copy, notes } = copier(sftp);
    await copy.get([join(there, '*.log'), join(there, 'nope')], here);
    expect([tree(here), copy.failures, notes.length]).toEqual([['a.log', 'b.log'], 1, 1]);
    await expect(copy.get([join(there, '*.zip')], here)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('refuses: several into one, a folder without -r, what is no file', async () => {
    const sftp = await connect();
    writeFileSync(join(there, 'a'), '');
    writeFileSync(join(there, 'b'), '');
    const { copy, notes } = copier(sftp);
    await expect(copy.get([join(there, 'a'), join(there, 'b')], join(here, 'x'))).rejects.toMatchObject({
      code: 'USAGE',
    });
    await copy.get([there], here);
    await copy.get(['/dev/null'], here);
    await copy.put([here], there);
    expect([copy.failures, notes.length]).toEqual([3, 3]);
  });

  test('S26 ok: the bits that make a program run as its owner are not taken over', async () => {
    writeFileSync(join(there, 'su'), 'x');
    chmodSync(join(there, 'su'), 0o6755);
    const { copy } = copier(await connect(), { keeps: true });
    await copy.get([join(there, 'su')], here);
    expect(statSync(join(here, 'su')).mode & 0o7777).toBe(0o755);
  });
});

/** An SFTP server whose replies the test makes; what is undefined is answered with "failure". */
function lying(
  reply: (type: number, body: WireReader, packet: Buffer) => Uint8Array | 'close' | undefined,
): ConnectionHandlers {
  return {
    onChannel(opening) {
      const packets = new PacketReader(300_000);
      const channel: Channel = opening.accept({
        onRequest: (name) => name === 'subsystem',
        onData(data) {
          channel.consumed(data.length);
          for (const packet of packets.push(data)) answer(channel, packet);
        },
      });
    },
  };
  function answer(channel: Channel, packet: Buffer): void {
    const type = packet[0] ?? 0;
    if (type === REQUEST.init) {
      send(channel, Uint8Array.of(REPLY.version, 0, 0, 0, 3));
      return;
    }
    const id = packet.subarray(1, 5);
    const made = reply(type, new WireReader(packet.subarray(5), refuseInput), packet);
    if (made === 'close') channel.close();
    else if (made === undefined)
      send(channel, Buffer.concat([Uint8Array.of(REPLY.status), id, Uint8Array.of(0, 0, 0, 4)]));
    else send(channel, Buffer.concat([made.subarray(0, 1), id, made.subarray(1)]));
  }
  function send(channel: Channel, body: Uint8Array): void {
    const head = Buffer.alloc(4);
    head.writeUInt32BE(body.length);
    channel.write(Buffer.concat([head, body]));
  }
}

const handle = (): Uint8Array => new WireWriter().raw(Uint8Array.of(REPLY.handle)).string('h').finish();
const data = (bytes: Uint8Array): Uint8Array =>
  new WireWriter().raw(Uint8Array.of(REPLY.data)).string(bytes).finish();
const ok = (): Uint8Array => Uint8Array.of(REPLY.status, 0, 0, 0, 0);
const eof = (): Uint8Array => Uint8Array.of(REPLY.status, 0, 0, 0, 1);
const attributes = (mode: number, size: number): Uint8Array =>
  new WireWriter()
    .raw(Uint8Array.of(REPLY.attrs))
    .uint32(1 | 4)
    .uint64(BigInt(size))
    .uint32(mode)
    .finish();
function names(...all: readonly (string | Uint8Array)[]): Uint8Array {
  const writer = new WireWriter().raw(Uint8Array.of(REPLY.name)).uint32(all.length);
  for (const name of all) writer.string(name).string('long').uint32(4).uint32(0o100_644);
  return writer.finish();
}
const FOLDER = 0o040_755;
const FILE = 0o100_644;

describe('servers that lie', () => {
  const folderOf = (...all: readonly (string | Uint8Array)[]): ConnectionHandlers => {
    let isListed = false;
    return lying((type, body) => {
      if (type === REQUEST.stat) return attributes(FOLDER, 0);
      if (type === REQUEST.realpath) return names(body.text('path', 4096));
      if (type === REQUEST.opendir || type === REQUEST.open) return handle();
      if (type === REQUEST.close) return ok();
      if (type === REQUEST.read) return eof();
      if (type !== REQUEST.readdir || isListed) return eof();
      isListed = true;
      return names(...all);
    });
  };

  test('S26 refuses: names that leave the folder; the others are copied', async () => {
    const evil = [
      '../escaped',
      '/etc/passwd',
      '..',
      '.',
      '',
      'a/b',
      'x\0y',
      Uint8Array.of(0xff, 0xfe),
      'fine',
    ];
    const { copy, notes } = copier(await connect(folderOf(...evil)), { isRecursive: true });
    await copy.get(['dir'], join(here, 'in'));
    expect(tree(here)).toEqual(['in', 'in/fine']);
    expect(existsSync(join(here, 'escaped'))).toBe(false);
    // `.` and `..` are in every listing.
    expect([copy.failures, notes.length]).toEqual([6, 6]);
  });

  test('S26 refuses: a file in place of a link that is here already', async () => {
    mkdirSync(join(here, 'in'));
    mkdirSync(join(here, 'private'));
    symlinkSync(join(here, 'private'), join(here, 'in', 'dir'));
    const { copy } = copier(await connect(folderOf('x')), { isRecursive: true });
    await copy.get(['dir'], join(here, 'in'));
    expect([copy.failures, tree(join(here, 'private'))]).toEqual([1, []]);
  });

  test.each<[string, (type: number) => Uint8Array | 'close' | undefined]>([
    ['more than was asked for', (type) => (type === REQUEST.read ? data(Buffer.alloc(40_000)) : undefined)],
    ['nothing, again and again', (type) => (type === REQUEST.read ? data(Buffer.alloc(0)) : undefined)],
    ['an error in the middle', (type) => (type === REQUEST.read ? undefined : undefined)],
    ['the end of the connection', (type) => (type === REQUEST.read ? 'close' : undefined)],
    ['a reply of another sort', (type) => (type === REQUEST.read ? handle() : undefined)],
    [
      'bytes after the reply',
      (type) => (type === REQUEST.read ? Buffer.concat([data(Buffer.alloc(5)), Buffer.alloc(3)]) : undefined),
    ],
  ])('S33 refuses: %s; and leaves no half file', async (_, reply) => {
    const server = lying((type) => {
      if (type === REQUEST.stat) return attributes(FILE, 100_000);
      if (type === REQUEST.open) return handle();
      if (type === REQUEST.close) return ok();
      return reply(type);
    });
    const { copy, drafts } = copier(await connect(server));
    const failed = await copy.get(['f'], join(here, 'f')).then(
      () => copy.failures,
      () => 1,
    );
    expect([failed, tree(here), drafts.size]).toEqual([1, [], 0]);
  });

  test('S33 refuses: an answer to nothing, and a packet without bounds', async () => {
    const stray = lying((_, __, packet) => {
      packet.writeUInt32BE(77, 1);
      return ok();
    });
    await expect((await connect(stray)).stat('x')).rejects.toMatchObject({ code: 'CONDITION_FAILED' });
    await pair?.close();
    const huge: ConnectionHandlers = {
      onChannel(opening) {
        const channel = opening.accept({
          onRequest: () => true,
          onData: () => void channel.write(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1)),
        });
      },
    };
    await expect(connect(huge)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });

  test('S27 ok: names that would move the cursor are shown as what they are', async () => {
    const lines: string[] = [];
    const shell = new SftpShell({
      sftp: await connect(folderOf('\u001b[2Jx', 'a\nb')),
      drafts: new Set(),
      progress: noProgress,
      onLine: (text) => void lines.push(text),
      onNote: () => {},
      local: here,
      remote: '/',
    });
    await shell.run('ls');
    expect(lines).toEqual(['\\u001b[2Jx', 'a\\nb']);
  });

  test('refuses: a server without transfers', async () => {
    const none: ConnectionHandlers = {
      onChannel: (opening) => void opening.accept({ onRequest: () => false }),
    };
    await expect(connect(none)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });
});

test('ok: commands of sftp', async () => {
  const lines: string[] = [];
  const sftp = await connect();
  const shell = new SftpShell({
    sftp,
    drafts: new Set(),
    progress: noProgress,
    onLine: (text) => void lines.push(text),
    onNote: (text) => void lines.push(text),
    local: here,
    remote: there,
  });
  writeFileSync(join(here, 'a b'), 'text');
  for (const line of [
    'put "a b" c',
    'mkdir d',
    'rename c d/e',
    'ln -s e d/l',
    'chmod 600 d/e',
    'cd d',
    'pwd',
    'ls',
    'ls -l e',
    'get l out',
    '# nothing',
    '',
  ])
    expect(await shell.run(line)).toBe(true);
  expect(lines.slice(0, 3)).toEqual([join(there, 'd'), 'e', 'l']);
  expect(lines[3]).toMatch(/^-rw------- +\d+ +\d+ +4 \d{4}-\d\d-\d\d \d\d:\d\d e$/);
  expect(readFileSync(join(here, 'out'), 'utf8')).toBe('text');
  await shell.run('rm *');
  await shell.run('cd ..');
  await shell.run('rmdir d');
  expect(tree(there)).toEqual([]);
  for (const [line, message] of [
    ['frob', /not a command/],
    ['get', /it is: get/],
    ['ls -z', /it is: ls/],
    ['chmod x y', /MODE/],
    ['cd nope', /no such file/],
  ] as const)
    await expect(shell.run(line)).rejects.toThrow(message);
  expect(await shell.run('bye')).toBe(false);
});
