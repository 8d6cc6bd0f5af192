// S35: whatever a client sends, in whatever pieces, and however it ends: what the server runs is on record before, under the
// text that the server runs. The server is a model that follows the rules of extended queries.
import { createHash } from 'node:crypto';
import { Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import * as fc from 'fast-check';
import { CLIENT, SERVER } from '#wire/postgres/protocol.ts';
import { MessageScanner } from '#wire/postgres/scanner.ts';
import { errorMessage, message, readyForQuery, uint32 } from '#wire/postgres/write.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { Live } from './live.ts';
import type { QueryResult, SeenQuery } from './seen-query.ts';
import type { DbSessionEvents, SessionTotals } from './session-events.ts';

const FAILS = 'fail';
const READ_BYTES = 65_536;

/** Answers as PostgreSQL does; its answers wait until they are delivered. */
class ModelServer {
  /** Texts of what it ran, in order. */
  readonly ran: string[] = [];
  /** How often it ran what SQL had prepared. */
  ranOfSql = 0;
  readonly answers: Buffer[] = [];
  readonly #statements = new Map<string, string>();
  #isSkipping = false;
  readonly #scanner = new MessageScanner({
    begin: (_, length) => length,
    piece() {},
    message: (type, bytes, start, end) => this.#take(type, bytes.toString('utf8', start, end).split('\0')),
  });

  feed(bytes: Buffer): void {
    this.#scanner.scan(bytes);
  }

  #take(type: number, [first = '', second = '']: readonly string[]): void {
    if (this.#isSkipping && type !== CLIENT.sync) return;
    switch (type) {
      case CLIENT.sync:
        this.#isSkipping = false;
        this.answers.push(readyForQuery('I'));
        return;
      case CLIENT.query:
        this.#query(first);
        return;
      case CLIENT.parse:
        if (first === '') this.#statements.delete('');
        if (this.#statements.has(first) || second === FAILS) return this.#fail();
        this.#statements.set(first, second);
        this.answers.push(message(SERVER.parseComplete));
        return;
      case CLIENT.bind: {
        const text = this.#statements.get(second);
        if (text === undefined) return this.#fail();
        this.ran.push(text);
        if (text.startsWith('PREPARE')) this.ranOfSql++;
        this.answers.push(message(SERVER.bindComplete));
        return;
      }
      case CLIENT.execute:
        this.answers.push(message(SERVER.commandComplete, 'SELECT 1'));
        return;
      case CLIENT.close:
        if (first.startsWith('S')) this.#statements.delete(first.slice(1));
        this.answers.push(message(SERVER.closeComplete));
    }
  }

  #query(text: string): void {
    this.ran.push(text);
    this.#statements.delete('');
    const [command, name = ''] = text.split(' ');
    if (command === 'DEALLOCATE') this.#statements.delete(name);
    if (command === 'PREPARE') this.#statements.set(name, text);
    const isKnown = command === 'DEALLOCATE' || command === 'PREPARE';
    if (text === FAILS) this.answers.push(errorMessage({ severity: 'ERROR', code: '42601', message: 'no' }));
    else this.answers.push(message(SERVER.commandComplete, isKnown ? command : 'SELECT 2'));
    this.answers.push(readyForQuery('I'));
  }

  #fail(): void {
    this.#isSkipping = true;
    this.answers.push(errorMessage({ severity: 'ERROR', code: '42601', message: 'no' }));
  }
}

interface Session {
  readonly server: ModelServer;
  readonly seen: SeenQuery[];
  readonly results: QueryResult[];
  readonly malformed: string[];
  totals: SessionTotals | undefined;
  readonly toClient: Buffer[];
  send(bytes: Buffer): void;
  deliver(count?: number): void;
  readonly client: Duplex;
  readonly clock: FakeClock;
  /** Share of the room for events. */
  readonly audit: { filled: number };
  readonly live: Live;
}

/** Short, so that the session's own memory can be looked at. */
const markOf = (text: string): string => createHash('sha256').update(text).digest('base64');

function openSession(): Session {
  const server = new ModelServer();
  const [seen, results, malformed, toClient] = [[], [], [], []] as unknown as [
    SeenQuery[],
    QueryResult[],
    string[],
    Buffer[],
  ];
  const onRecord = new Set<string>();
  const stream = (write: (bytes: Buffer) => void): Duplex =>
    new Duplex({
      read() {},
      write(bytes: Buffer, _, done) {
        write(bytes);
        done();
      },
    });
  const client = stream((bytes) => void toClient.push(bytes));
  const upstream = stream((bytes) => {
    const before = server.ran.length;
    server.feed(bytes);
    // On record before it is passed on.
    for (const text of server.ran.slice(before)) {
      if (!onRecord.has(markOf(text.slice(0, READ_BYTES))))
        expect.fail(`not on record: ${text.slice(0, 200)}`);
    }
  });
  const session: Partial<Session> = { server, seen, results, malformed, toClient, client };
  const events = {
    query: (query: SeenQuery) => onRecord.add(markOf(query.text)).size > 0 && seen.push(query) > 0,
    result: (result: QueryResult) => results.push(result) > 0,
    malformed: (from: string) => void malformed.push(from),
    ended: (totals: SessionTotals) => void (session.totals = totals),
  } as unknown as DbSessionEvents;
  const clock = new FakeClock();
  const audit = { filled: 0 };
  const live = new Live({
    client,
    server: upstream,
    events,
    recorder: undefined,
    clock,
    auditFilled: () => audit.filled,
    onInput() {},
  });
  live.start();
  client.resume();
  return Object.assign(session, {
    live,
    clock,
    audit,
    // At once: a flowing stream would wait for the next turn.
    send: (bytes: Buffer) => void client.emit('data', bytes),
    deliver(count = Infinity) {
      for (const answer of server.answers.splice(0, count)) upstream.emit('data', answer);
    },
  }) as Session;
}

const NO_VALUES = Buffer.from([0, 0, 0, 0, 0, 0]);
const NO_TYPES = Buffer.from([0, 0]);
const query = (text: string): Buffer => message(CLIENT.query, text);
const parse = (name: string, text: string): Buffer => message(CLIENT.parse, name, text, NO_TYPES);
const bind = (name: string): Buffer => message(CLIENT.bind, '', name, NO_VALUES);
const execute = (): Buffer => message(CLIENT.execute, '', uint32(0));
const close = (name: string): Buffer => message(CLIENT.close, `S${name}`);
const sync = (): Buffer => message(CLIENT.sync);

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('what the server runs is on record', () => {
  const name = fc.constantFrom('', 'a', 'b');
  const text = fc.constantFrom('one', 'two', 'three', FAILS);
  const sent = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(name, text).map(([n, t]) => parse(n, t)) },
    { weight: 4, arbitrary: name.map((n) => Buffer.concat([bind(n), execute()])) },
    { weight: 3, arbitrary: fc.constant(sync()) },
    text.map(query),
    name.map(close),
    fc.constantFrom('a', 'b').map((n) => query(`DEALLOCATE ${n}`)),
    fc.constantFrom('a', 'b').map((n) => query(`PREPARE ${n} AS something`)),
  );

  test('S35 ok: any order of messages and answers, any pieces', () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: sent.map((bytes) => ({ bytes })) },
      fc.nat(6).map((answers) => ({ answers })),
    );
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 40 })),
        (steps, sizes) => {
          const session = openSession();
          for (const each of steps) {
            if ('answers' in each) session.deliver(each.answers);
            else {
              for (let at = 0; at < each.bytes.length;) {
                const { value: size } = sizes.next() as { value: number };
                session.send(each.bytes.subarray(at, at + size));
                at += size;
              }
            }
          }
          const { ran } = session.server;
          const texts = session.seen.map((one) => one.text);
          const count = (all: readonly string[], what: string): number =>
            all.filter((one) => one === what).length;
          // What SQL prepared is on record itself, and as a name each time it is run.
          for (const one of new Set(ran.filter((what) => !what.startsWith('PREPARE')))) {
            expect(count(texts, one)).toBeGreaterThanOrEqual(count(ran, one));
          }
          expect(texts.length).toBeGreaterThanOrEqual(ran.length);
          const unsure = texts.filter((what) => what.startsWith('(statement'));
          expect(unsure.length).toBeGreaterThanOrEqual(session.server.ranOfSql);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('S35 ok: killed in the middle, every query that was passed on has its event', () => {
    fc.assert(
      fc.property(fc.array(sent, { minLength: 1, maxLength: 20 }), fc.nat(), (messages, at) => {
        const bytes = Buffer.concat(messages);
        const session = openSession();
        session.send(bytes.subarray(0, at % bytes.length));
        session.client.destroy();
        const texts = session.seen.map((one) => one.text);
        expect(texts.length).toBeGreaterThanOrEqual(session.server.ran.length);
      }),
    );
  });

  test('S35 ok: a statement of a name that is taken is on record as what it is', () => {
    const { send, deliver, seen, server } = openSession();
    send(Buffer.concat([parse('a', 'delete from t'), sync()]));
    deliver();
    send(Buffer.concat([parse('a', 'select 1'), sync(), bind('a'), execute(), sync()]));
    expect(server.ran).toEqual(['delete from t']);
    expect(seen.map((one) => one.text)).toEqual(['delete from t', 'select 1']);
  });

  test('S35 ok: a Parse that the server passes over changes nothing', () => {
    const { send, deliver, seen } = openSession();
    send(Buffer.concat([parse('', 'delete from t'), sync()]));
    deliver();
    send(Buffer.concat([bind('none'), parse('', 'select 1'), sync()]));
    deliver();
    send(Buffer.concat([bind(''), execute(), sync()]));
    expect(seen.at(-1)?.text).toBe('delete from t');
  });

  test('ok: rows and errors belong to their query, through errors and pipelines', () => {
    const { send, deliver, results } = openSession();
    send(
      Buffer.concat([
        query('one'),
        query(FAILS),
        parse('a', 'two'),
        bind('a'),
        execute(),
        bind('none'),
        execute(),
      ]),
    );
    send(Buffer.concat([bind('a'), execute(), sync(), bind('a'), execute(), sync()]));
    deliver();
    expect(results.map((one) => [one.query.number, one.rows ?? one.error])).toEqual([
      [1, 2],
      [2, '42601: no'],
      [3, 1],
      [4, '42601: no'],
      [6, 1],
    ]);
  });

  test('S35 ok: statements that are more than is remembered are on record when they are made', async () => {
    const { send, deliver, seen } = openSession();
    const long = 'x'.repeat(60_000);
    for (let n = 0; n < 300; n++) send(Buffer.concat([parse(`s${n}`, `select ${n}, '${long}'`), sync()]));
    await tick();
    deliver();
    send(Buffer.concat([parse('hidden', `drop table t -- ${long}`), sync()]));
    deliver();
    send(Buffer.concat([bind('hidden'), execute(), sync()]));
    expect(seen.map((one) => one.text)).toContain(`drop table t -- ${long}`);
    expect(seen.at(-1)?.text).toContain('(statement "hidden"');
  });

  test('S34 ok: statements without end, which the server passes over, are not kept', () => {
    const { send, deliver, seen } = openSession();
    send(parse('bad', FAILS));
    deliver();
    const long = 'x'.repeat(60_000);
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 10_000; n++) {
      send(parse(`s${n}`, `${n}${long}`));
      seen.length = 0;
    }
    // Of 600 MB; what is not collected yet is in it.
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(300 * 1024 * 1024);
  });

  test('S34 refuses: one name with more statements than can be told of at each use', () => {
    const { send, malformed, seen, server } = openSession();
    for (let n = 0; n < 200; n++) send(Buffer.concat([parse('', `select ${n}`), sync()]));
    send(Buffer.concat(Array.from({ length: 1000 }, () => bind(''))));
    expect(malformed).toEqual(['client']);
    expect(seen).toEqual([]);
    expect(server.ran).toEqual([]);
  });

  test('ok: what waits for the server costs no more the more there is of it', async () => {
    const { send, deliver, results } = openSession();
    const many = 200_000;
    send(Buffer.concat([parse('a', 'one'), sync()]));
    send(Buffer.concat(Array.from({ length: many }, sync)));
    // A walk through all of it for each of these would take minutes.
    for (let n = 0; n < 20; n++) {
      send(Buffer.concat(Array.from({ length: 1000 }, () => Buffer.concat([bind('a'), execute()]))));
    }
    await tick();
    deliver();
    expect(results).toHaveLength(20_000);
  });

  test('S35 ok: a long query is cut, with its length and hash', () => {
    const { send, seen } = openSession();
    const long = `select '${'x'.repeat(100_000)}'`;
    const bytes = query(long);
    for (let at = 0; at < bytes.length; at += 9000) send(bytes.subarray(at, at + 9000));
    expect(seen).toHaveLength(1);
    expect(long.startsWith(seen[0]?.text ?? '-')).toBe(true);
    expect(seen[0]?.text).toHaveLength(READ_BYTES);
    expect(seen[0]?.cut).toMatch(/^100009 bytes, sha256 [0-9a-f]{64}$/);
  });
});

test('S35 ok: while auth is away and the room for events runs out, the client waits rather than the log', async () => {
  const { client, audit, clock, send, server } = openSession();
  await tick();
  expect(client.isPaused()).toBe(false);
  audit.filled = 0.6;
  send(query('one'));
  expect(client.isPaused()).toBe(true);
  await clock.advance(200);
  expect(client.isPaused()).toBe(true);
  audit.filled = 0.4;
  await clock.advance(200);
  expect(client.isPaused()).toBe(false);
  expect(server.ran).toEqual(['one']);
});

describe('S34 what is not the protocol', () => {
  test.each([
    ['a type that clients do not send', Buffer.from([0x21, 0, 0, 0, 4])],
    ['a length that is too small', Buffer.from([CLIENT.query, 0, 0, 0, 1])],
    ['a length beyond what PostgreSQL takes', Buffer.from([CLIENT.query, 0x7f, 0, 0, 0])],
    ['a Sync with content', Buffer.from([CLIENT.sync, 0, 0, 0, 5, 1])],
    ['a query without an end', message(CLIENT.query, Buffer.from('select 1'))],
    ['S35 a second query behind the first', message(CLIENT.query, 'select 1', 'drop table t')],
    ['a Bind that ends early', message(CLIENT.bind, 'p')],
    ['a Close of nothing', message(CLIENT.close, 'X')],
  ])('refuses: %s: the session ends, and is on record', async (_, bytes) => {
    const { send, malformed, toClient, live, server } = openSession();
    send(bytes);
    await live.ended;
    expect(malformed).toEqual(['client']);
    expect(server.ran).toEqual([]);
    expect(Buffer.concat(toClient).toString()).toContain('C08P01');
  });

  test('refuses: the same from the server', async () => {
    const session = openSession();
    session.server.answers.push(Buffer.from([SERVER.dataRow, 0, 0, 0, 0]));
    session.deliver();
    await session.live.ended;
    expect(session.malformed).toEqual(['server']);
  });

  test('ok: one that ends tells of what it did', async () => {
    const session = openSession();
    session.send(query('one'));
    session.deliver();
    session.client.push(null);
    await session.live.ended;
    await tick();
    expect(session.totals).toMatchObject({ queries: 1, rows: 2 });
  });
});
