import { randomInt } from 'node:crypto';
import { fork } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { credentialConformance } from './conformance/credentials.ts';
import { IDENTITY_FILE, openCredentialDir } from './credentials-dir.ts';
import { decodeRecord, encodeRecord } from './credentials.ts';
import { sampleRecord } from './credentials.fuzz.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-credentials-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: GatehouseError) => error.code,
  );

credentialConformance({
  name: 'a directory',
  place() {
    const path = join(folder, IDENTITY_FILE);
    return {
      open: () => openCredentialDir(folder),
      read: () => readFile(path, 'utf8').catch(() => undefined),
      write: (text) => writeFile(path, text),
      remove: () => rm(path),
    };
  },
});

it('ok: nobody but the owner can read it, and no draft is left', async () => {
  const store = openCredentialDir(join(folder, 'data'));
  await store.create(sampleRecord);
  await store.replace({ ...sampleRecord, generation: 2 });
  expect(readdirSync(join(folder, 'data'))).toEqual(['identity.json']);
  expect(statSync(join(folder, 'data')).mode & 0o777).toBe(0o700);
  expect(statSync(join(folder, 'data', 'identity.json')).mode & 0o777).toBe(0o600);
});

it('ok: of many that create at once exactly one wins, and its record is what is read', async () => {
  for (let round = 0; round < 50; round++) {
    const dataDir = join(folder, `race-${round}`);
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, async (_, n) => ({
        n,
        outcome: await codeOf(openCredentialDir(dataDir).create({ ...sampleRecord, node_name: `n-${n}` })),
      })),
    );
    const winners = outcomes.filter(({ outcome }) => outcome === 'ok');
    expect(winners.length).toBe(1);
    expect(outcomes.filter(({ outcome }) => outcome === 'ALREADY_EXISTS').length).toBe(7);
    expect((await openCredentialDir(dataDir).load())?.node_name).toBe(`n-${winners[0]?.n}`);
    expect(readdirSync(dataDir)).toEqual(['identity.json']);
  }
});

it('ok: of two processes that create at once exactly one wins', async () => {
  const child = fileURLToPath(new URL('credentials-race.child.ts', import.meta.url));
  for (let round = 0; round < 3; round++) {
    const dataDir = join(folder, `processes-${round}`);
    const answers = await Promise.all(
      ['one', 'two'].map(
        (name) =>
          new Promise<string>((resolve) => {
            fork(child, [dataDir, name], { stdio: 'inherit' }).once('message', (answer) =>
              resolve(String(answer)),
            );
          }),
      ),
    );
    expect([...answers].sort()).toEqual(['ALREADY_EXISTS', 'ok']);
    const winner = answers[0] === 'ok' ? 'one' : 'two';
    expect((await openCredentialDir(dataDir).load())?.node_name).toBe(winner);
  }
});

it('R1 refuses: a damaged record; 1,000 random changes of it are refused or say the same', () => {
  const text = encodeRecord(sampleRecord);
  let refused = 0;
  for (let i = 0; i < 1000; i++) {
    const bytes = Buffer.from(text);
    const at = randomInt(bytes.length);
    const kind = randomInt(3);
    const damaged =
      kind === 0
        ? Buffer.concat([bytes.subarray(0, at), Buffer.from([randomInt(256)]), bytes.subarray(at)])
        : kind === 1
          ? bytes.subarray(0, at)
          : Buffer.from(bytes.map((byte, index) => (index === at ? randomInt(256) : byte)));
    try {
      expect(decodeRecord(damaged.toString('utf8'), 'here')).toEqual(sampleRecord);
    } catch (error) {
      expect(isCode(error, 'CORRUPT')).toBe(true);
      refused++;
    }
  }
  expect(refused).toBeGreaterThan(900);
});

it('R1 refuses: a damaged or huge file is an error and stays as it is, never a new identity', async () => {
  const path = join(folder, 'identity.json');
  for (const text of ['', '{}', '{"checksum":"sha256:00","record":null}', 'x'.repeat(2 * 1024 * 1024)]) {
    writeFileSync(path, text);
    const store = openCredentialDir(folder);
    const error = await store.load().catch((cause: GatehouseError) => cause);
    expect(error).toMatchObject({ code: 'CORRUPT' });
    expect((error as GatehouseError).message).toContain(path);
    expect(await codeOf(store.create(sampleRecord))).toBe('ALREADY_EXISTS');
    expect(await codeOf(store.replace({ ...sampleRecord, generation: 2 }))).toBe('CORRUPT');
    expect(readFileSync(path, 'utf8')).toBe(text);
  }
});

it('S36 ok: no error of the store shows a key', async () => {
  const text = encodeRecord(sampleRecord).replace('"format": 1', '"format": 2');
  writeFileSync(join(folder, 'identity.json'), text);
  const error = await openCredentialDir(folder)
    .load()
    .catch((cause: GatehouseError) => cause);
  expect(`${String(error)} ${JSON.stringify(error)}`).not.toContain('the-private-key');
});

it('refuses: a folder that cannot be used, with its path', async () => {
  writeFileSync(join(folder, 'file'), '');
  const error = await openCredentialDir(join(folder, 'file', 'data'))
    .create(sampleRecord)
    .catch((cause: GatehouseError) => cause);
  expect(error).toMatchObject({ code: 'STORAGE_FAILED' });
  expect((error as GatehouseError).message).toContain('file/data');
});
