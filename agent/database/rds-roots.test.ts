// Where the authorities of RDS come from: the file of an admin, else AWS once.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PARTITIONS } from '#core/aws/partitions.ts';
import { silentLog } from '#core/log.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { openRdsRoots, rdsBundleName, type RdsRoots } from './rds-roots.ts';

const PEM = `${rootCertificates[0]}\n`;
let dataDir: string;
let asked: string[];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-roots-'));
  asked = [];
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

const open = (answer: () => string, clock = new FakeClock()): RdsRoots =>
  openRdsRoots({
    clock,
    log: silentLog,
    dataDir,
    get: async (url) => {
      asked.push(url);
      return answer();
    },
  });

test('ok: the file of the data directory, and nothing is asked of anybody', async () => {
  writeFileSync(join(dataDir, rdsBundleName('aws')), PEM);
  expect(await open(() => '').of(PARTITIONS.aws)).toBe(PEM);
  expect(asked).toEqual([]);
});

test('ok: got from AWS once, and kept', async () => {
  const roots = open(() => PEM);
  await Promise.all([roots.of(PARTITIONS.aws), roots.of(PARTITIONS.aws)]);
  expect(asked).toEqual(['https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem']);
  expect(readFileSync(join(dataDir, rdsBundleName('aws')), 'utf8')).toBe(PEM);
  await open(() => PEM).of(PARTITIONS.aws);
  expect(asked).toHaveLength(1);
  await roots.of(PARTITIONS['aws-cn']);
  expect(asked[1]).toMatch(/amazonaws\.com\.cn/);
});

test('ok: a file that was replaced is seen after an hour', async () => {
  const clock = new FakeClock();
  const roots = open(() => PEM, clock);
  await roots.of(PARTITIONS.aws);
  const other = `${PEM}${rootCertificates[1]}\n`;
  writeFileSync(join(dataDir, rdsBundleName('aws')), other);
  expect(await roots.of(PARTITIONS.aws)).toBe(PEM);
  clock.step(3_600_001);
  expect(await roots.of(PARTITIONS.aws)).toBe(other);
});

test('refuses: no way to AWS, or something else than certificates; the next try asks again', async () => {
  const none = open(() => {
    throw new Error('no route');
  });
  await expect(none.of(PARTITIONS.aws)).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(/download that file to .*rds-ca-aws\.pem.*tls\.ca_cert_file/),
  });
  await expect(open(() => '<html>').of(PARTITIONS.aws)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  await expect(none.of(PARTITIONS.aws)).rejects.toThrow();
  expect(asked).toHaveLength(3);
});
