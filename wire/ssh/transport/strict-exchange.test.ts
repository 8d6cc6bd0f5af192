// Somebody in the middle of two of our ends: what Terrapin (CVE-2023-48795) and its kin do, and what comes of it.
import { duplexPair, type Duplex } from 'node:stream';
import { expect, test } from 'vitest';
import { openEnds, settle, type Ends } from '#test/kit/ssh-transport.ts';
import { MSG } from '../messages.ts';

type From = 'client' | 'server';
/** What becomes of one packet; in the clear it is read, later only its place is known. */
type Tamper = (
  packet: Buffer,
  where: { readonly from: From; readonly number: number | undefined; readonly sealed: number },
) => readonly Buffer[];

function plain(...payload: readonly number[]): Buffer {
  const pad = 8 - ((5 + payload.length) % 8) + 8;
  const packet = Buffer.alloc(5 + payload.length + pad);
  packet.writeUInt32BE(packet.length - 4);
  packet[4] = pad;
  Buffer.from(payload).copy(packet, 5);
  return packet;
}

/** Cuts what passes into packets (GCM leaves the lengths clear), and passes on what `tamper` makes of them. */
function relay(from: From, source: Duplex, sink: Duplex, tamper: Tamper): void {
  let bytes = Buffer.alloc(0);
  let hasVersion = false;
  let sealed = -1;
  source.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    for (;;) {
      const size = sizeOfNext(bytes, hasVersion, sealed >= 0);
      if (size === undefined || bytes.length < size) return;
      const packet = bytes.subarray(0, size);
      bytes = bytes.subarray(size);
      if (!hasVersion) {
        hasVersion = true;
        sink.write(packet);
        continue;
      }
      const number = sealed < 0 ? packet[5] : undefined;
      if (sealed >= 0) sealed += 1;
      if (number === MSG.newKeys) sealed = 0;
      for (const out of tamper(packet, { from, number, sealed })) sink.write(out);
    }
  });
  source.on('end', () => sink.end());
}

function sizeOfNext(bytes: Buffer, hasVersion: boolean, isSealed: boolean): number | undefined {
  if (!hasVersion) return bytes.includes('\n') ? bytes.indexOf('\n') + 1 : undefined;
  if (bytes.length < 4) return undefined;
  return bytes.readUInt32BE() + 4 + (isSealed ? 16 : 0);
}

async function openThrough(tamper: Tamper): Promise<Ends> {
  const [near, middleNear] = duplexPair();
  const [far, middleFar] = duplexPair();
  relay('client', middleNear, middleFar, tamper);
  relay('server', middleFar, middleNear, tamper);
  const ends = await openEnds({ sockets: [near, far] });
  await settle(ends.clock, 20);
  return ends;
}

const outcome = ({ server, client }: Ends): object => ({
  isReady: [server.isReady, client.isReady],
  isClosed: [server.isClosed, client.isClosed],
});

test('S29 ok: nobody tampers, and both ends are strict', async () => {
  const ends = await openThrough((packet) => [packet]);
  expect(outcome(ends)).toEqual({ isReady: [true, true], isClosed: [false, false] });
  expect(ends.client.transport.peerSignatureAlgorithms).toContain('rsa-sha2-512');
});

const EXTRA = [
  ['IGNORE', plain(MSG.ignore, 0, 0, 0, 0)],
  ['DEBUG', plain(MSG.debug, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  ['UNIMPLEMENTED', plain(MSG.unimplemented, 0, 0, 0, 0)],
  ['a number of nobody', plain(200)],
] as const;

test.each(
  EXTRA.flatMap(([name, extra]) =>
    (['client', 'server'] as const).flatMap((from) =>
      [MSG.kexInit, MSG.kexFirst, MSG.kexReply, MSG.newKeys]
        .filter((at) => at !== (from === 'client' ? MSG.kexReply : MSG.kexFirst))
        .flatMap((at) => [
          { name, extra, from, at, place: 'before' },
          { name, extra, from, at, place: 'after' },
        ]),
    ),
  ),
)('S29 refuses: $name of the $from, put in $place its message $at', async ({ extra, from, at, place }) => {
  const ends = await openThrough((packet, where) => {
    if (where.from !== from || where.number !== at) return [packet];
    return place === 'before' ? [extra, packet] : [packet, extra];
  });
  const victim = from === 'client' ? ends.server : ends.client;
  expect(victim.isClosed).toBe(true);
  expect(victim.messages).toEqual([]);
});

test('S29 refuses: Terrapin itself, a message put in before the keys and one taken out after them', async () => {
  const ends = await openThrough((packet, { from, number, sealed }) => {
    if (from === 'server' && number === MSG.kexReply) return [plain(MSG.ignore, 0, 0, 0, 0), packet];
    return from === 'server' && sealed === 1 ? [] : [packet];
  });
  expect(ends.client.isClosed).toBe(true);
  expect(ends.client.isReady).toBe(false);
});

test('S29 refuses: the extensions taken out: the next message is not authentic', async () => {
  const ends = await openThrough((packet, { from, sealed }) =>
    from === 'server' && sealed === 1 ? [] : [packet],
  );
  ends.server.transport.authenticated();
  ends.server.transport.send(Uint8Array.of(MSG.ignore));
  await settle(ends.clock);
  expect(ends.client.isClosed).toBe(true);
  expect(ends.client.error).toMatchObject({ message: 'a packet is not authentic' });
});

test.each(['client', 'server'] as const)(
  'S29 refuses: the marker of the %s taken out of its lists',
  async (role) => {
    const ends = await openThrough((packet, { from, number }) => {
      if (from !== role || number !== MSG.kexInit) return [packet];
      const text = packet.toString('latin1').replace(/kex-strict-(.)-v00/, 'kex-strikt-$1-v00');
      return [Buffer.from(text, 'latin1')];
    });
    expect(ends.client.isReady).toBe(false);
    expect(ends.client.error).toMatchObject({ code: 'CERTIFICATE_INVALID' });
  },
);

test.each([
  ['the exchange', 'mlkem768x25519-sha256', 'mlkem000x25519-sha256'],
  ['the cipher', 'aes128-gcm@openssh.com,aes256-gcm', 'none-00000@openssh.com,aes000-gcm'],
])('S31 refuses: %s made weaker in the lists of the client', async (_, strong, weak) => {
  const ends = await openThrough((packet, { from, number }) => {
    if (from !== 'client' || number !== MSG.kexInit) return [packet];
    return [Buffer.from(packet.toString('latin1').replaceAll(strong, weak), 'latin1')];
  });
  expect(ends.client.isReady).toBe(false);
  expect(ends.client.isClosed).toBe(true);
});

test.each(['client', 'server'] as const)(
  'refuses: any bit of the clear part of the %s turned',
  async (role) => {
    for (const target of [MSG.kexInit, role === 'client' ? MSG.kexFirst : MSG.kexReply]) {
      for (const at of [6, 30, 60, 100]) {
        const ends = await openThrough((packet, { from, number }) => {
          if (from !== role || number !== target) return [packet];
          const altered = Buffer.from(packet);
          altered[at] = (altered[at] ?? 0) ^ 1;
          return [altered];
        });
        expect({ target, at, isReady: ends.client.isReady }).toEqual({ target, at, isReady: false });
      }
    }
  },
);
