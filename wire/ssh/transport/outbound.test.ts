// What waits for the socket is counted, told and bounded.
import { expect, test } from 'vitest';
import { openAgainstRaw, openEnds, settle } from '#test/kit/ssh-transport.ts';
import { MSG } from '../messages.ts';

const MIB = 1024 ** 2;
const HEAD = Uint8Array.of(MSG.channelData);
const DATA = Buffer.alloc(32_000);

test('ok: a writer is told to stop at the limit, and to go on when there is room', async () => {
  const { clock, server, client } = await openEnds({ server: { limits: { outboundBytes: MIB } } });
  server.transport.authenticated();
  client.transport.authenticated();
  client.transport.pause();
  let sent = 0;
  while (server.transport.sendData(HEAD, DATA)) sent += 1;
  expect(sent * DATA.length).toBeGreaterThan(0.9 * MIB);
  expect(sent * DATA.length).toBeLessThan(1.3 * MIB);
  await settle(clock);
  expect(server.drains).toBe(0);
  client.transport.resume();
  await settle(clock, 100);
  expect(server.drains).toBe(1);
  expect(client.messages.length).toBe(sent + 1);
  expect(server.transport.sendData(HEAD, DATA)).toBe(true);
});

test('ok: a limit below what a socket tells about is not a dead end', async () => {
  const { clock, server, client } = await openEnds({ server: { limits: { outboundBytes: 1 } } });
  server.transport.authenticated();
  client.transport.authenticated();
  let stops = 0;
  for (let at = 0; at < 20; at++) {
    if (server.transport.sendData(HEAD, DATA)) continue;
    stops += 1;
    await settle(clock, 20);
    expect(server.drains).toBe(stops);
  }
  expect(stops).toBeGreaterThan(0);
  await settle(clock, 20);
  expect(client.messages.length).toBe(20);
});

test('ok: a writer that goes on at each word of room gets everything out', async () => {
  const { clock, server, client } = await openEnds({
    server: { limits: { rekeyBytes: 200_000, outboundBytes: 65_536 } },
  });
  client.transport.authenticated();
  server.transport.authenticated();
  let next = 0;
  const write = (): void => {
    for (let hasRoom = true; hasRoom && next < 300; next++) {
      hasRoom = server.transport.send(Buffer.alloc(5000, MSG.channelData));
    }
  };
  const { onMessage, onClose } = server.transport.handlers;
  server.transport.handlers = { onMessage, onClose, onDrain: write };
  write();
  await settle(clock, 400);
  expect([next, client.messages.length]).toEqual([300, 300]);
});

test.each([
  ['pings', Buffer.concat([Uint8Array.of(MSG.ping), Buffer.alloc(30_000)])],
  ['messages of nobody', Uint8Array.of(222)],
])('S33 refuses: %s without end from a peer that does not read the answers', async (_, payload) => {
  const { clock, end, peer } = await openAgainstRaw('server');
  end.transport.authenticated();
  peer.socket.pause();
  let rounds = 0;
  for (; rounds < 2000 && !end.isClosed; rounds++) {
    for (let at = 0; at < 100; at++) peer.send(payload);
    await settle(clock, 2);
  }
  expect(end).toMatchObject({ isClosed: true, error: { code: 'LIMIT_EXCEEDED' } });
});

test('S33 refuses: a writer that does not listen does not fill the memory either', async () => {
  const { clock, end, peer } = await openAgainstRaw('server');
  end.transport.authenticated();
  peer.socket.pause();
  for (let at = 0; at < 1000; at++) end.transport.sendData(HEAD, DATA);
  await settle(clock);
  expect(end).toMatchObject({ isClosed: true, error: { code: 'LIMIT_EXCEEDED' } });
});
