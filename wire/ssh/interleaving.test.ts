// Property: two ends that open, write, end, request and close in any order, over a link that fills up and delivers when
// it likes, lose no byte, mix no channels, and come to rest with everything closed.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { FakeTransport } from '#test/kit/fake-transport.ts';
import { Connection } from './connection.ts';
import { sshLimits } from './limits.ts';
import type { Channel, ChannelReceiver } from './ssh.ts';

/** What may be under way in one direction before `send` says false. */
const LINK_BYTES = 30_000;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

type Step =
  | {
      readonly do: 'open' | 'end' | 'close' | 'request' | 'consume';
      readonly end: number;
      readonly channel: number;
    }
  | {
      readonly do: 'write' | 'stderr';
      readonly end: number;
      readonly channel: number;
      readonly bytes: number;
    }
  | { readonly do: 'deliver'; readonly end: number; readonly messages: number };

/** One end of one channel. */
class Party implements ChannelReceiver {
  channel: Channel | undefined;
  sent = '';
  received = '';
  sentErrors = '';
  receivedErrors = '';
  isPeerDone = false;
  isClosed = false;
  hasClosed = false;
  asked = 0;
  answered = 0;
  wasAsked = 0;
  #owed = 0;
  #next: number;

  constructor(seed: number) {
    this.#next = seed;
  }

  onData(data: Buffer): void {
    this.received += data.toString('latin1');
    this.#owed += data.length;
  }

  onStderr(data: Buffer): void {
    this.receivedErrors += data.toString('latin1');
    this.#owed += data.length;
  }

  onEof(): void {
    expect(this.isPeerDone).toBe(false);
    this.isPeerDone = true;
  }

  onRequest(): boolean | Promise<boolean> {
    this.wasAsked++;
    return this.wasAsked % 2 === 0 || settle().then(() => true);
  }

  onClose(): void {
    expect(this.isClosed).toBe(false);
    this.isClosed = true;
  }

  write(bytes: number, isStderr: boolean): void {
    if (this.channel?.isOpen !== true || this.hasEnded) return;
    const data = Buffer.alloc(bytes, 97 + (this.#next++ % 26));
    if (isStderr) {
      this.channel.writeStderr(data);
      this.sentErrors += data.toString('latin1');
    } else {
      this.channel.write(data);
      this.sent += data.toString('latin1');
    }
    data.fill(0);
  }

  hasEnded = false;

  async request(): Promise<void> {
    if (this.channel?.isOpen !== true) return;
    this.asked++;
    await this.channel.request('x', new Uint8Array());
    this.answered++;
  }

  /** True when a part is missing; throws when what is there is not what was sent. */
  hasLess(sender: Party): boolean {
    if (!sender.sent.startsWith(this.received)) throw new Error('the output is not what was sent');
    if (!sender.sentErrors.startsWith(this.receivedErrors)) throw new Error('errors are not what was sent');
    const missing = sender.sent.length + sender.sentErrors.length;
    return missing > this.received.length + this.receivedErrors.length;
  }

  consume(): void {
    this.channel?.consumed(this.#owed);
    this.#owed = 0;
  }
}

class Link {
  readonly transports: readonly [FakeTransport, FakeTransport];
  readonly #under: [number, number] = [0, 0];

  constructor() {
    this.transports = [new FakeTransport('client'), new FakeTransport('server')];
    this.transports.forEach((transport, end) => {
      transport.onSent = () => {
        this.#under[end as 0] += transport.sent.at(-1)!.length;
        if (this.#under[end as 0] > LINK_BYTES) transport.hasRoom = false;
      };
    });
  }

  /** Lets `messages` of one end arrive at the other; true when there were any. */
  deliver(end: number, messages: number): boolean {
    const from = this.transports[end as 0];
    const to = this.transports[(1 - end) as 0];
    const batch = from.sent.splice(0, messages);
    for (const message of batch) {
      this.#under[end as 0] -= message.length;
      to.receive(message);
    }
    if (!from.hasRoom && this.#under[end as 0] === 0) from.drain();
    return batch.length > 0;
  }
}

const end = fc.integer({ min: 0, max: 1 });
const channel = fc.integer({ min: 0, max: 4 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('open', 'request'), end, channel }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('end', 'close'), end, channel }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('consume'), end, channel }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('write', 'stderr'),
      end,
      channel,
      bytes: fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 150_000 })),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('deliver'), end, messages: fc.integer({ min: 1, max: 9 }) }),
  },
) as fc.Arbitrary<Step>;

class Scene {
  readonly link = new Link();
  readonly pairs: [Party, Party][] = [];
  readonly #connections: readonly Connection[];
  #waiting: Party[][] = [[], []];

  constructor() {
    this.#connections = this.link.transports.map((transport, index) => {
      const limits = sshLimits({ windowBytes: 70_000 });
      const connection = new Connection({ transport, clock: new FakeClock(), log: silentLog, limits });
      connection.serve({
        onChannel: (opening) => {
          const party = this.#waiting[index]!.shift()!;
          party.channel = opening.accept(party);
        },
      });
      return connection;
    });
  }

  async run(next: Step): Promise<void> {
    if (next.do === 'deliver') {
      this.link.deliver(next.end, next.messages);
      return;
    }
    if (next.do === 'open') {
      await this.#open(next.end);
      return;
    }
    const party = this.pairs[next.channel % Math.max(this.pairs.length, 1)]?.[next.end as 0];
    if (party === undefined) return;
    this.#act(party, next);
  }

  /** Everybody reads, ends and closes until nothing moves any more. */
  async rest(): Promise<void> {
    for (let isMoving = true, quiet = 0; isMoving || quiet < 4; quiet = isMoving ? 0 : quiet + 1) {
      for (const party of this.pairs.flat()) {
        party.consume();
        party.hasEnded = true;
        party.channel?.end();
      }
      isMoving = [this.link.deliver(0, 50), this.link.deliver(1, 50)].some(Boolean);
      await settle();
    }
  }

  close(): void {
    for (const party of this.pairs.flat()) party.channel?.close();
  }

  get channelCount(): number {
    return this.#connections.reduce((sum, connection) => sum + connection.channelCount, 0);
  }

  #act(party: Party, next: Exclude<Step, { do: 'deliver' }>): void {
    switch (next.do) {
      case 'write':
      case 'stderr':
        return party.write(next.bytes, next.do === 'stderr');
      case 'request':
        return void party.request();
      case 'consume':
        return party.consume();
      case 'end':
        party.hasEnded = true;
        return party.channel?.end();
      default:
        party.hasEnded = party.hasClosed = true;
        party.channel?.close();
    }
  }

  async #open(opener: number): Promise<void> {
    if (this.pairs.length === 5) return;
    const pair: [Party, Party] = [new Party(this.pairs.length), new Party(this.pairs.length + 13)];
    this.pairs.push(pair);
    const near = pair[opener as 0];
    this.#waiting[1 - opener]!.push(pair[(1 - opener) as 0]);
    const opening = this.#connections[opener]!.open('x', new Uint8Array(), near);
    void opening.then((opened) => (near.channel = opened));
    await settle();
  }
}

test('S33 ok: any interleaving of two ends delivers every byte in order and comes to rest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 40, maxLength: 250, size: 'max' }), async (steps) => {
      const scene = new Scene();
      for (const next of steps) {
        await scene.run(next);
        if (next.do === 'deliver' && next.messages % 3 === 0) await settle();
      }
      await scene.rest();
      for (const [one, other] of scene.pairs) {
        for (const [from, to] of [
          [one, other],
          [other, one],
        ] as const) {
          // Who closes has no use for what comes, and what waits for who closes is dropped.
          expect(to.hasLess(from) && !to.hasClosed).toBe(false);
          if (!to.hasClosed) expect(to.isPeerDone).toBe(true);
          expect(from.answered).toBe(from.asked);
        }
      }
      scene.close();
      await scene.rest();
      expect(scene.pairs.flat().map(({ isClosed }) => isClosed)).not.toContain(false);
      expect(scene.channelCount).toBe(0);
      expect(scene.link.transports.map(({ ended }) => ended)).toEqual([undefined, undefined]);
    }),
    { numRuns: 200 },
  );
});
