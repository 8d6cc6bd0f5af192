import { afterEach, beforeEach, expect, test } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import type { Backend } from './backend.ts';
import { openCollection, type Collection } from './collection.ts';
import { openMemory } from './memory/open.ts';

interface Thing {
  readonly colour: string;
}

let clock: FakeClock;
let backend: Backend;
let things: Collection<Thing>;

function thingsIn(prefix: string | readonly string[]): Collection<Thing> {
  return openCollection<Thing>({
    backend,
    prefix,
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString('utf8')) as Thing,
  });
}

async function readAll<T>(records: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const record of records) all.push(record);
  return all;
}

beforeEach(() => {
  clock = new FakeClock();
  backend = openMemory({ clock });
  things = thingsIn('things');
});
afterEach(() => backend.close());

test('ok: create, read, update, delete', async () => {
  const revision = await things.create('a', { colour: 'red' });
  expect(await things.get('a')).toEqual({
    name: ['a'],
    value: { colour: 'red' },
    revision,
    expires: undefined,
  });
  const next = await things.update('a', { colour: 'blue' }, revision);
  expect(await things.get('a')).toMatchObject({ value: { colour: 'blue' }, revision: next });
  await things.delete('a', next);
  expect(await things.get('a')).toBeUndefined();
});

test('refuses: what the store refuses, with its codes', async () => {
  const revision = await things.create('a', { colour: 'red' });
  await things.upsert('a', { colour: 'blue' });
  await expect(things.create('a', { colour: 'red' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await expect(things.update('a', { colour: 'red' }, revision)).rejects.toMatchObject({
    code: 'CONDITION_FAILED',
  });
  await expect(things.delete('b')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(things.create('', { colour: 'red' })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
});

test('S26 hostile names stay in their collection and come back as they were', async () => {
  const others = thingsIn('thing');
  await others.create('s/a', { colour: 'other' });
  const names = ['../thing/s', 'a/b', 'a', '%2F', 'ü', '\0'];
  for (const name of names) await things.create(name, { colour: name });
  const found = await readAll(things.all());
  expect(found.map(({ name, value }) => [name[0], value.colour]).toSorted()).toEqual(
    names.map((name) => [name, name]).toSorted(),
  );
  expect(await readAll(others.all())).toHaveLength(1);
});

test('ok: names of several parts, listed under the first', async () => {
  await things.create(['a', '1'], { colour: 'red' });
  await things.create(['a', '2'], { colour: 'blue' });
  await things.create(['ab', '1'], { colour: 'green' });
  const found = await readAll(things.all('a'));
  expect(found.map(({ name }) => name)).toEqual([
    ['a', '1'],
    ['a', '2'],
  ]);
});

test('ok: a prefix of several parts', async () => {
  const deep = thingsIn(['things', 'of/others']);
  await deep.create('a', { colour: 'red' });
  expect((await deep.get('a'))?.name).toEqual(['a']);
  expect((await backend.range({ prefix: '' })).items[0]?.key).toBe('things/of%2Fothers/a');
});

test('ok: pages, and all of more than a page', async () => {
  for (let index = 0; index < 1010; index++)
    await things.upsert(`n${10_000 + index}`, { colour: String(index) });
  const first = await things.list({ limit: 10 });
  expect(first.records).toHaveLength(10);
  const second = await things.list({ limit: 10, after: first.next });
  expect(second.records[0]?.value.colour).toBe('10');
  const all = await readAll(things.all());
  expect(all.map(({ value }) => Number(value.colour))).toEqual(
    Array.from({ length: 1010 }, (_, index) => index),
  );
});

test('ok: an expiry is kept and ends the record', async () => {
  const expires = clock.now() + 1000;
  await things.create('a', { colour: 'red' }, { expires });
  expect((await things.get('a'))?.expires).toBe(expires);
  await clock.advance(1000);
  expect(await things.get('a')).toBeUndefined();
});

test('ok: steps for one atomic write over two collections', async () => {
  const others = thingsIn('others');
  const revision = await things.create('a', { colour: 'red' });
  const made = await backend.atomicWrite([
    things.putStep('a', { colour: 'blue' }, { is: 'revision', revision }, { expires: clock.now() + 5000 }),
    others.putStep('b', { colour: 'green' }, { is: 'absent' }),
    others.checkStep('c', { is: 'absent' }),
    things.deleteStep('d', { is: 'any' }),
  ]);
  expect(await things.get('a')).toMatchObject({
    value: { colour: 'blue' },
    revision: made,
    expires: clock.now() + 5000,
  });
  expect((await others.get('b'))?.revision).toBe(made);
});

test('refuses: a record that cannot be decoded, naming its key and nothing of its value', async () => {
  await backend.put({ key: 'things/bad', value: Buffer.from('{"hush') });
  for (const read of [things.get('bad'), things.list()]) {
    const error = await read.then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ code: 'CORRUPT', details: { key: 'things/bad' } });
    expect(error?.message).not.toContain('hush');
  }
  await backend.put({ key: 'things/no key', value: Buffer.from('{}') });
  await expect(things.list({ after: 'things/bad' })).rejects.toMatchObject({ code: 'CORRUPT' });
});
