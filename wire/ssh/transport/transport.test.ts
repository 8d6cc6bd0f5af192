import { generateKeyPairSync } from 'node:crypto';
import { createServer, connect, type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { until } from '#test/kit/until.ts';
import { sshLimits } from '../limits.ts';
import type { Transport } from '../transport-contract.ts';
import { openTransport } from './transport.ts';

test('ok: two ends', async () => {
  const key = generateKeyPairSync('ed25519').privateKey;
  const got: string[] = [];
  const closes: unknown[] = [];
  let serverT: Transport | undefined, clientT: Transport | undefined;
  const common = { clock: systemClock, log: silentLog, limits: sshLimits() };
  const server = createServer((socket) => {
    openTransport({
      ...common,
      role: 'server',
      socket,
      hostKeys: [{ privateKey: key }],
      handlers: {
        onMessage: (p) => void got.push(p.toString('hex')),
        onDrain() {},
        onClose: (e) => void closes.push(e),
      },
      onReady: (t) => {
        serverT = t;
      },
    });
  });
  await new Promise<void>((r) => server.listen(0, '127.0.0.1', r));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  openTransport({
    ...common,
    role: 'client',
    socket,
    verifyHost: () => {},
    handlers: {
      onMessage: (p) => void got.push(p.toString('hex')),
      onDrain() {},
      onClose: (e) => void closes.push(e),
    },
    onReady: (t) => {
      clientT = t;
    },
  });
  await until('ready', () => (serverT && clientT) || closes.length > 0);
  expect(closes).toEqual([]);
  clientT!.send(Buffer.from([5, 1, 2, 3]));
  await until('msg', () => got.length > 0);
  expect(got).toEqual(['05010203']);
  clientT!.disconnect(11, 'bye');
  await until('closed', () => closes.length === 2);
  expect(closes).toEqual([undefined, undefined]);
  server.close();
});
