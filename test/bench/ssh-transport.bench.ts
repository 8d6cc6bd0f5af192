// What the SSH transport costs the process that runs it: CPU seconds per GiB in either direction, CPU of a handshake, and
// memory of an idle connection. The other end is a process of its own, so that it is not counted.
// Run it: node --expose-gc test/bench/ssh-transport.bench.ts
import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { sshLimits } from '#wire/ssh/limits.ts';
import { DISCONNECT, MSG } from '#wire/ssh/messages.ts';
import type { Transport } from '#wire/ssh/transport-contract.ts';
import { openTransport } from '#wire/ssh/transport/transport.ts';
import { median, printHeading } from './kit.ts';

const GIB = 1024 ** 3;
const TOTAL = GIB;
const ROUNDS = 5;
const HANDSHAKES = 500;
const WARM_UP = 100;
const IDLE = 1000;
const DATA = Buffer.alloc(32_768, 7);
/** The number, a channel and a length, as in a message of a channel. */
const HEAD = Buffer.concat([Uint8Array.of(MSG.channelData), Buffer.alloc(8)]);
const PAYLOAD = HEAD.length + DATA.length;

interface Bench {
  readonly onMessage?: (payload: Buffer, transport: Transport) => void;
  readonly onDrain?: (transport: Transport) => void;
}

function open(role: 'server' | 'client', socket: Socket, bench: Bench): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const transport = openTransport({
      role,
      socket,
      clock: systemClock,
      log: silentLog,
      limits: sshLimits(),
      hostKeys: [HOST_KEY],
      verifyHost: () => {},
      handlers: {
        onMessage: (payload) => bench.onMessage?.(payload, transport),
        onDrain: () => bench.onDrain?.(transport),
        onClose: (error) => reject(error ?? new Error('closed')),
      },
      onReady: () => {
        transport.authenticated();
        resolve(transport);
      },
    });
  });
}

const HOST_KEY = { privateKey: generateKeyPairSync('ed25519').privateKey };
const connectTo = (port: number, bench: Bench = {}): Promise<Transport> =>
  open('client', createConnection(port, '127.0.0.1'), bench);

/** Sends TOTAL bytes as fast as they are taken. */
function pourer(): (transport: Transport) => void {
  let left = TOTAL;
  return (transport) => {
    while (left > 0) {
      left -= DATA.length;
      if (!transport.sendData(HEAD, DATA)) return;
    }
  };
}

/** The client process: does what it is told, and says when it has. */
async function runClient(port: number): Promise<void> {
  const kept: Transport[] = [];
  const tell = (message: string): void => void process.send?.(message);
  process.on('message', (order) => void obey(String(order)));
  async function obey(order: string): Promise<void> {
    if (order === 'take') await take();
    if (order === 'give') {
      const pour = pourer();
      pour(await connectTo(port, { onDrain: pour, onMessage: () => tell('done') }));
    }
    if (order.startsWith('handshakes')) {
      for (let at = 0; at < Number(order.split(' ')[1]); at++) {
        (await connectTo(port)).disconnect(DISCONNECT.byApplication, '');
      }
      tell('done');
    }
    if (order === 'idle') {
      while (kept.length < IDLE) kept.push(await connectTo(port));
      tell('done');
    }
  }
  async function take(): Promise<void> {
    let got = 0;
    const onMessage = (payload: Buffer, transport: Transport): void => {
      got += payload.length;
      if (got < (TOTAL / DATA.length) * PAYLOAD) return;
      tell('done');
      transport.disconnect(DISCONNECT.byApplication, '');
    };
    (await connectTo(port, { onMessage })).send(Uint8Array.of(MSG.globalRequest));
  }
}

async function runServer(): Promise<void> {
  const server = createServer((socket) => {
    const pour = pourer();
    let got = 0;
    const onMessage = (payload: Buffer, transport: Transport): void => {
      if (payload[0] === MSG.globalRequest) pour(transport);
      got += payload.length;
      if (got >= (TOTAL / DATA.length) * PAYLOAD) transport.send(Uint8Array.of(MSG.globalRequest));
    };
    // Handshakes of clients that leave are part of the benchmark.
    open('server', socket, { onMessage, onDrain: pour }).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const client = fork(import.meta.filename, ['client', String(port)]);
  const ask = async (order: string): Promise<number> => {
    const before = process.cpuUsage();
    client.send(order);
    await new Promise((resolve) => client.once('message', resolve));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1e6;
  };
  try {
    await measure(ask);
  } finally {
    client.kill();
    server.close();
  }
}

async function measure(ask: (order: string) => Promise<number>): Promise<void> {
  printHeading('SSH transport, aes128-gcm, mlkem768x25519, ssh-ed25519');
  await ask(`handshakes ${WARM_UP}`);
  const handshakes = (await ask(`handshakes ${HANDSHAKES}`)) / HANDSHAKES;
  console.log(`handshake            ${(handshakes * 1000).toFixed(2)} ms CPU`);
  for (const [name, order] of [
    ['out', 'take'],
    ['in', 'give'],
  ] as const) {
    const rounds: number[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(((await ask(order)) * GIB) / TOTAL);
    console.log(
      `1 GiB ${name.padEnd(14)} ${median(rounds).toFixed(2)} s CPU (${rounds.map((x) => x.toFixed(2)).join(' ')})`,
    );
  }
  const before = await settledMemory();
  await ask('idle');
  const grown = (await settledMemory()) - before;
  console.log(`idle connection      ${(grown / IDLE / 1024).toFixed(1)} KiB RSS, socket included`);
}

async function settledMemory(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    globalThis.gc?.();
    await wait(200);
  }
  return process.memoryUsage().rss;
}

const [, , role, port] = process.argv;
await (role === 'client' ? runClient(Number(port)) : runServer());
