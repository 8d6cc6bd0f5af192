// audit_events_uri: what it may name.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { checkSinkUris, defaultSinkUri, openSinks } from './all.ts';
import { Chain } from './conformance/samples.ts';

test.each([
  [['file:///var/lib/gatehouse/log']],
  [['file:///var/lib/gatehouse/audit/events', 'stdout://']],
  [['stdout://']],
  [[defaultSinkUri('/var/lib/gate house#1')]],
])('ok: %j', (uris) => {
  expect(() => checkSinkUris(uris)).not.toThrow();
});

test.each([
  ['nothing', [], 'INVALID_CONFIG'],
  ['no URI', ['/var/lib/gatehouse/log'], 'INVALID_CONFIG'],
  ['an unknown scheme', ['ftp://x/y'], 'INVALID_CONFIG'],
  ['a scheme of Object.prototype', ['constructor://x'], 'INVALID_CONFIG'],
  ['a relative path', ['file://log/events'], 'INVALID_CONFIG'],
  ['the root folder', ['file:///'], 'INVALID_CONFIG'],
  ['a query', ['file:///var/log?x=1'], 'INVALID_CONFIG'],
  ['a path for stdout', ['stdout://x'], 'INVALID_CONFIG'],
  ['one sink twice', ['file:///var/log/', 'file:///var/log'], 'INVALID_CONFIG'],
  ['DynamoDB', ['dynamodb://events_table_name'], 'NOT_SUPPORTED'],
  ['Firestore', ['firestore://events'], 'NOT_SUPPORTED'],
  ['Athena', ['athena://db.table?topicArn=x'], 'NOT_SUPPORTED'],
  ['PostgreSQL', ['postgresql://user@host/audit'], 'NOT_SUPPORTED'],
])('refuses: %s', (_, uris, code) => {
  expect(() => checkSinkUris(uris)).toThrow(expect.objectContaining({ code }) as Error);
});

test('S36 a password in a URI is not shown', () => {
  expect(() => checkSinkUris(['mysql://root:hunter2@host/db'])).toThrow(/^(?!.*hunter2)/);
});

test('ok: opens all in order, or none', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-all-'));
  const uris = [`file://${folder}/a`, 'stdout://'];
  const deps = { log: silentLog, stdout: new PassThrough() };
  const sinks = await openSinks(uris, deps);
  expect(sinks.map(({ name }) => name)).toEqual(uris);
  await expect(openSinks([`file://${folder}/b`, `file://${folder}/a`], deps)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
  });
  for (const sink of sinks) await sink.append(new Chain().logins(1));
  for (const sink of sinks) await sink.close();
  const again = await openSinks([`file://${folder}/b`, `file://${folder}/a`], deps);
  for (const sink of again) await sink.close();
  await rm(folder, { recursive: true });
});
