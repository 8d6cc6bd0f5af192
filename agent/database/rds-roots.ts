// The authorities that sign for managed databases of AWS. They are in no usual set of roots: AWS publishes them as one
// file, which is taken from the data directory, or got once from AWS and kept there.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Partition, PartitionId } from '#core/aws/partitions.ts';
import { certificatesFromPem } from '#core/certs/x509/pem.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';

export interface RdsRoots {
  /** PEM; UNAVAILABLE when it is not there and cannot be got. */
  of(partition: Partition): Promise<string>;
}

export interface RdsRootsOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly dataDir: string;
  /** Gets a text over HTTPS with the usual roots; default: fetch, without redirects. */
  readonly get?: (url: string) => Promise<string>;
}

const SOURCES: Readonly<Record<PartitionId, string>> = {
  aws: 'https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem',
  'aws-us-gov': 'https://truststore.pki.us-gov-west-1.rds.amazonaws.com/global/global-bundle.pem',
  'aws-cn': 'https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem',
};
const MAX_BYTES = 4 * 1024 * 1024;
const GET_MS = 10_000;
/** A file that an admin replaces is seen after this. */
const KEEP_MS = 60 * 60_000;

/** The name of the file in the data directory, by partition. */
export const rdsBundleName = (partition: PartitionId): string => `rds-ca-${partition}.pem`;

export function openRdsRoots({ clock, log, dataDir, get = getText }: RdsRootsOptions): RdsRoots {
  const known = new Map<PartitionId, { readonly pem: Promise<string>; readonly until: number }>();

  async function load(partition: Partition): Promise<string> {
    const path = join(dataDir, rdsBundleName(partition.id));
    const kept = await readFile(path, 'utf8').catch(() => undefined);
    if (kept !== undefined) return requireCertificates(kept, path);
    const source = SOURCES[partition.id];
    try {
      const pem = requireCertificates(await get(source), source);
      await keep(dataDir, path, pem);
      log.info({ source, path }, 'got the authorities of RDS');
      return pem;
    } catch (cause) {
      throw new GatehouseError(
        'UNAVAILABLE',
        `the authorities of RDS could not be got from ${source}: download that file to ${path}, or name it in tls.ca_cert_file of the database`,
        { cause },
      );
    }
  }

  return {
    of(partition) {
      const found = known.get(partition.id);
      if (found !== undefined && clock.now() < found.until) return found.pem;
      const pem = load(partition);
      known.set(partition.id, { pem, until: clock.now() + KEEP_MS });
      pem.catch(() => known.delete(partition.id));
      return pem;
    },
  };
}

function requireCertificates(pem: string, where: string): string {
  if (pem.length > MAX_BYTES || certificatesFromPem(pem).length === 0)
    throw new GatehouseError('INVALID_CONFIG', `${where} holds no certificates in PEM`);
  return pem;
}

async function keep(dataDir: string, path: string, pem: string): Promise<void> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  await writeFile(draft, pem, { mode: 0o644 });
  await rename(draft, path);
}

async function getText(url: string): Promise<string> {
  const answer = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(GET_MS) });
  if (!answer.ok || answer.body === null) throw new Error(`HTTP ${answer.status}`);
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of answer.body as unknown as AsyncIterable<Uint8Array>) {
    size += part.length;
    if (size > MAX_BYTES) throw new Error('too large');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
