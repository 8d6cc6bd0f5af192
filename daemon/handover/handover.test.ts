import { createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { letOthersWork, until } from '#test/kit/until.ts';
import { openHandover, type Handover } from './handover.ts';
import { decodeSockets, encodeSockets, HANDOVER_VARIABLE, messageOf, wordOf } from './messages.ts';
import { findPredecessor, type ParentChannel } from './predecessor.ts';
import { ProcessSockets } from './sockets.ts';
import type { Successor } from './successor.ts';

class FakeSuccessor implements Successor {
  readonly pid = 4711;
  readonly said = Promise.withResolvers<void>();
  readonly serves = Promise.withResolvers<void>();
  readonly end = Promise.withResolvers<string>();
  readonly waiting = this.said.promise;
  readonly ready = this.serves.promise;
  readonly ended = this.end.promise;
  readonly seen: string[];
  constructor(all: string[]) {
    this.seen = all;
    this.waiting.catch(() => {});
    this.ready.catch(() => {});
  }
  go(): void {
    this.seen.push('go');
  }
  signal(signal: NodeJS.Signals): void {
    this.seen.push(signal);
    if (signal === 'SIGKILL') this.dies(`it ended by ${signal}`);
    if (signal === 'SIGTERM') this.dies('it ended with 0');
  }
  dies(how: string): void {
    this.end.resolve(how);
    this.said.reject(new Error(how));
    this.serves.reject(new Error(how));
  }
}

const clock = new FakeClock();
let seen: string[];
let successors: FakeSuccessor[];
let drained: PromiseWithResolvers<void>;
beforeEach(() => {
  seen = [];
  successors = [];
  drained = Promise.withResolvers();
});

function open(isInit = false): Handover {
  const say = (text: string) => void seen.push(text);
  const log = { debug() {}, info() {}, warn: (_f: object, m: string) => say(m), error: () => say('error') };
  return openHandover({
    clock,
    log: { ...log, child: () => log } as never,
    isInit,
    start: () => {
      say('start');
      successors.push(new FakeSuccessor(seen));
      return successors.at(-1) as FakeSuccessor;
    },
    sockets: () => [],
    release: async () => say('release'),
    retake: async () => say('retake'),
    drain: async () => {
      say('drain');
      await drained.promise;
    },
  });
}

async function handOver(handover: Handover, signal: NodeJS.Signals = 'SIGHUP'): Promise<FakeSuccessor> {
  const begun = handover.begin(signal);
  const successor = successors.at(-1) as FakeSuccessor;
  successor.said.resolve();
  await until('go', () => seen.includes('go'));
  successor.serves.resolve();
  await begun;
  return successor;
}

async function isFinished({ finished }: Handover): Promise<boolean> {
  const late = letOthersWork().then(() => false);
  return Promise.race([finished.then(() => true), late]);
}

describe('the old process', () => {
  it('ok: releases, tells the new one to go, drains when that serves, and ends when nothing is left', async () => {
    const handover = open();
    await handOver(handover);
    expect(seen).toEqual(['start', 'release', 'go', 'drain']);
    expect(await isFinished(handover)).toBe(false);
    drained.resolve();
    await handover.finished;
  });

  it('ok: after USR2 it stays, and passes signals on', async () => {
    const handover = open();
    await handOver(handover, 'SIGUSR2');
    drained.resolve();
    expect(await isFinished(handover)).toBe(false);
    await handover.begin('SIGHUP');
    expect(seen.at(-1)).toBe('SIGHUP');
  });

  it('ok: gives up nothing before the new one has read its configuration', async () => {
    const handover = open();
    const begun = handover.begin('SIGHUP');
    successors[0]?.dies('it ended with 1');
    await begun;
    expect(seen).toEqual(['start', 'SIGKILL', 'error']);
  });

  it('ok: takes everything back when the new one dies, or says nothing, before it serves; then it may try again', async () => {
    const handover = open();
    const begun = handover.begin('SIGHUP');
    successors[0]?.said.resolve();
    await until('go', () => seen.includes('go'));
    await clock.advance(120_000);
    await begun;
    expect(seen).toEqual(['start', 'release', 'go', 'SIGKILL', 'error', 'retake']);
    await handOver(handover);
    expect(seen.at(-1)).toBe('drain');
  });

  it('refuses: two at once', async () => {
    const handover = open();
    const begun = handover.begin('SIGHUP');
    await handover.begin('SIGUSR2');
    expect(seen).toEqual(['start', 'a graceful restart is under way already']);
    await handover.close();
    await begun;
    expect(seen.slice(2)).toEqual(['SIGKILL', 'SIGKILL']);
  });

  it('ok: starts another one when the one that serves dies, while it has sessions', async () => {
    const handover = open();
    const successor = await handOver(handover);
    successor.dies('it ended by SIGSEGV');
    await until('the error', () => seen.includes('error'));
    await clock.advance(5000);
    await until('another', () => successors.length === 2);
    successors[1]?.said.resolve();
    await until('go', () => seen.at(-1) === 'go');
    await handover.close();
  });

  it('ok: as the first process of a container it stays, and ends the new one', async () => {
    const handover = open(true);
    await handOver(handover);
    drained.resolve();
    expect(await isFinished(handover)).toBe(false);
    await handover.close();
    expect(seen.at(-1)).toBe('SIGTERM');
  });
});

describe('the new process', () => {
  const environment = { [HANDOVER_VARIABLE]: '[]' };

  function channel(): {
    parent: ParentChannel;
    sent: unknown[];
    hear(message: unknown): void;
    leave(): void;
  } {
    const sent: unknown[] = [];
    const listeners = new Set<(message: unknown) => void>();
    let leave = (): void => {};
    const parent: ParentChannel = {
      connected: true,
      send: (message) => sent.push(message) > 0,
      on: (_event, listener) => listeners.add(listener),
      off: (_event, listener) => listeners.delete(listener),
      once: (_event, listener) => (leave = listener),
      disconnect: () => void sent.push('disconnect'),
    };
    return {
      parent,
      sent,
      hear: (message) => listeners.forEach((one) => one(message)),
      leave: () => leave(),
    };
  }

  it('ok: says that it waits, has its turn at go, and says that it serves', async () => {
    const { parent, sent, hear } = channel();
    const predecessor = findPredecessor(environment, parent);
    const turn = predecessor?.turn();
    hear('go');
    hear({ gatehouse: 'stop' });
    hear(messageOf('go'));
    await turn;
    predecessor?.ready();
    expect(sent).toEqual([messageOf('waiting'), messageOf('ready'), 'disconnect']);
  });

  it('refuses: to start when the old one is gone', async () => {
    const { parent, leave } = channel();
    const turn = findPredecessor(environment, parent)?.turn();
    leave();
    await expect(turn).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('ok: without a channel, or with a variable that is not of an old one, it takes over from nobody', () => {
    expect(findPredecessor(environment, { ...channel().parent, send: undefined })).toBeUndefined();
    expect(findPredecessor({ [HANDOVER_VARIABLE]: '{' }, channel().parent)).toBeUndefined();
    expect(findPredecessor({}, channel().parent)).toBeUndefined();
  });
});

it.each(['', 'null', '{}', '[1]', '[null]', '[{"setting":"a","asked":"b","port":1,"fd":2}]'])(
  'refuses: %j as sockets; standard streams are none',
  (text) => {
    expect(decodeSockets(text)).toBeUndefined();
  },
);

it('ok: sockets are numbered as the child has them', () => {
  const socket = { setting: 'a', asked: 'h:1', port: 1, fd: 33 };
  expect(decodeSockets(encodeSockets([socket, socket]))).toMatchObject([{ fd: 4 }, { fd: 5 }]);
  expect([null, 1, {}, { gatehouse: 'x' }].map(wordOf)).toEqual([undefined, undefined, undefined, undefined]);
});

describe('listening sockets', () => {
  const address = { host: '127.0.0.1', port: 0 };
  const servers: Server[] = [];
  afterEach(() => servers.splice(0).forEach((server) => server.close()));

  it('ok: the descriptor goes to the same setting and address, once; what was closed comes back on its port', async () => {
    const sockets = new ProcessSockets([{ setting: 'web', asked: '127.0.0.1:0', port: 5, fd: 99 }]);
    expect(sockets.claim('web', { ...address, port: 1 })).toEqual({ ...address, port: 1 });
    expect(sockets.claim('ssh', address)).toEqual(address);
    expect(sockets.claim('web', address)).toMatchObject({ fd: 99 });
    expect(sockets.claim('web', address)).toEqual(address);
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(sockets.claim('ssh', address), resolve));
    sockets.opened('ssh', address, server);
    const { port } = server.address() as AddressInfo;
    expect(sockets.list()).toEqual([{ setting: 'ssh', asked: '127.0.0.1:0', port, fd: expect.any(Number) }]);
    await new Promise((resolve) => server.close(resolve));
    expect(sockets.list()).toEqual([]);
    expect(sockets.claim('ssh', address)).toEqual({ ...address, port });
  });
});
