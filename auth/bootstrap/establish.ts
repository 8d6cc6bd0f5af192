// The first start of a cluster: gives it its name, and with `--bootstrap` the contents of a file. The record of the name
// is the mark of a cluster that has been set up; while a file too large for one write goes in, the mark carries a label:
//   empty --all in one write-----------------------------------> set up
//   empty --mark with label--> half --writes--> half --label off--> set up     (half: goes on with the same file only)
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseResource } from '#core/kind.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import type { CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import { clusterNameKind, type ClusterNameSpec } from '#kinds/cluster-name/kind.ts';
import type { ClusterState } from '../state/state.ts';
import { readBootstrap, type Bootstrap } from './documents.ts';
import { halfOf, readName, writeContents } from './write.ts';

type NameRecord = Resource<ClusterNameSpec>;

export interface EstablishOptions {
  /** Ready. */
  readonly state: ClusterState;
  /** From the config file. Unset: the name that is stored, or that of the bootstrap file. */
  readonly clusterName?: string | undefined;
  /** For a cluster that nobody named. */
  readonly fallbackName: string;
  /** A file of documents, as `gatectl get all` prints them; looked at on an empty store only. */
  readonly bootstrapFile?: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Cluster {
  readonly name: string;
  /** True when this call set the cluster up. */
  readonly isNew: boolean;
  /** The file it was set up from. */
  readonly bootstrapFile?: string | undefined;
}

const MAX_TRIES = 10;

/**
 * To be called before anything else writes to the state. INVALID_CONFIG when the name in the config file is not that of
 * the store or bootstrap file, and when an earlier bootstrap did not finish and this is not the same file;
 * INVALID_RESOURCE for a bad file, of which nothing is written. Safe with several auth servers at once.
 */
export async function establishCluster(options: EstablishOptions): Promise<Cluster> {
  const { state, log, bootstrapFile } = options;
  let file: Bootstrap | undefined;
  for (let tries = 1; ; tries++) {
    const stored = await readName(state);
    if (stored !== undefined && halfOf(stored) === undefined) {
      requireName(options.clusterName, stored.spec.cluster_name);
      if (bootstrapFile !== undefined) {
        log.info({ file: bootstrapFile }, 'the cluster was set up before: the bootstrap file has no effect');
      }
      return { name: stored.spec.cluster_name, isNew: false };
    }
    if (bootstrapFile !== undefined) file ??= await readFile(bootstrapFile, options);
    requireSameFile(stored, file);
    try {
      return await setUp(options, stored, file);
    } catch (error) {
      // Another auth server is doing the same: look again.
      if (tries < MAX_TRIES && isCode(error, 'ALREADY_EXISTS', 'CONDITION_FAILED', 'NOT_FOUND')) continue;
      throw error;
    }
  }
}

async function readFile(path: string, { clock, log }: EstablishOptions): Promise<Bootstrap> {
  const file = await readBootstrap(path, clock.now());
  for (const notice of file.notices) log.warn({ file: path, notice }, 'bootstrap: something is left out');
  return file;
}

async function setUp(
  options: EstablishOptions,
  stored: NameRecord | undefined,
  file: Bootstrap | undefined,
): Promise<Cluster> {
  const { state, log, clusterName, bootstrapFile, fallbackName } = options;
  if (file === undefined) {
    const record = newNameRecord(clusterName ?? nameInUse(state) ?? fallbackName);
    await state.write([{ do: 'create', resource: record }]);
    return { name: record.spec.cluster_name, isNew: true };
  }
  requireFileName(clusterName, file.clusterName);
  const record = stored ?? file.name ?? newNameRecord(file.clusterName ?? clusterName ?? fallbackName);
  if (stored === undefined) await requireEmpty(state);
  const { resources, digest } = file;
  await writeContents(state, { record, resources, digest }, stored !== undefined);
  log.info(
    { file: bootstrapFile, resources: resources.length },
    'the cluster was set up from the bootstrap file',
  );
  return { name: record.spec.cluster_name, isNew: true, bootstrapFile };
}

function newNameRecord(name: string): NameRecord {
  const spec = { cluster_name: name, cluster_id: randomUUID() };
  return parseResource(clusterNameKind, { kind: clusterNameKind.name, spec });
}

/** Authorities name their cluster too. */
function nameInUse(state: ClusterState): string | undefined {
  const [authority] = [...state.list('cert_authority')] as readonly Resource<CertAuthoritySpec>[];
  return authority?.spec.cluster_name;
}

async function requireEmpty(state: ClusterState): Promise<void> {
  for (const kind of KINDS) {
    if (kind.audience === 'presence') continue;
    const all = kind.audience === 'internal' ? state.readAll(kind) : state.list(kind.name);
    for await (const found of all) {
      if ((await readName(state)) !== undefined) throw raced();
      throw new GatehouseError(
        'INVALID_CONFIG',
        `--bootstrap needs an empty store, but this one holds a ${found.kind} and no cluster name; use an empty data directory, or start without --bootstrap`,
      );
    }
  }
}

/** For the caller to look again. */
function raced(): GatehouseError {
  return new GatehouseError('CONDITION_FAILED', 'another auth server has set up the cluster meanwhile');
}

function requireSameFile(stored: Resource | undefined, file: Bootstrap | undefined): void {
  const digest = stored === undefined ? undefined : halfOf(stored);
  if (digest === undefined || digest === file?.digest) return;
  throw new GatehouseError(
    'INVALID_CONFIG',
    'an earlier start with --bootstrap was cut short and left half a cluster; start again with --bootstrap and the same file, or with an empty store',
  );
}

function requireName(configured: string | undefined, stored: string): void {
  if (configured === undefined || configured === stored) return;
  throw new GatehouseError(
    'INVALID_CONFIG',
    `cluster_name is "${configured}" in the config file, but this store belongs to the cluster "${stored}"; the name cannot be changed, as every certificate carries it: put "${stored}" back, or start a new cluster with an empty data directory`,
  );
}

function requireFileName(configured: string | undefined, inFile: string | undefined): void {
  if (configured === undefined || inFile === undefined || configured === inFile) return;
  throw new GatehouseError(
    'INVALID_CONFIG',
    `cluster_name is "${configured}" in the config file, but the bootstrap file is of the cluster "${inFile}"; the name cannot be changed, as every certificate carries it: use "${inFile}", or take cluster_name and cert_authority out of the file`,
  );
}
