// What a bootstrap file holds, made ready to be written: read, completed and checked as a whole before the first byte
// reaches the store. Pure but for the reading of the file.
import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { loadSigners } from '../authority/signers.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Reader } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { formatProblem } from '#core/schema/check.ts';
import { KINDS, kindOf } from '#kinds/all.ts';
import type { CertAuthorityKeySpec } from '#kinds/cert-authority-key/kind.ts';
import type { CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import type { ClusterNameSpec } from '#kinds/cluster-name/kind.ts';
import { parseDocuments } from '#kinds/documents.ts';
import type { InviteSpec } from '#kinds/invite/kind.ts';
import type { MfaDeviceSpec } from '#kinds/mfa-device/kind.ts';
import { presetRoles } from '#kinds/role/presets.ts';
import type { UserPasswordSpec } from '#kinds/user-password/kind.ts';
import { decodeOtpSecret } from '../accounts/otp.ts';
import { parsePasswordHash } from '../accounts/phc.ts';

const MAX_FILE_BYTES = 32 * 1024 * 1024;
const MAX_REPORTED = 20;
/** The record that says that a cluster has been set up: it is written apart from the rest. */
const NAME_KIND = 'cluster_name';

export interface Bootstrap {
  /** Tells files apart: SHA-256 of the text, in hex. */
  readonly digest: string;
  /** The cluster the file is of; undefined when it does not say. */
  readonly clusterName: string | undefined;
  /** The record of the name, when it has one. */
  readonly name: Resource<ClusterNameSpec> | undefined;
  /** All the rest, without revisions, what others refer to first. */
  readonly resources: readonly Resource[];
  /** Why documents of the file are left out, by sentence; for the log. */
  readonly notices: readonly string[];
}

/** INVALID_CONFIG when the file cannot be read, TOO_LARGE; otherwise as parseBootstrap. */
export async function readBootstrap(path: string, now: number): Promise<Bootstrap> {
  let text: string;
  try {
    const found = await stat(path);
    // A pipe would wait for ever, a device never end.
    if (!found.isFile()) throw new GatehouseError('INVALID_CONFIG', `the bootstrap file ${path} is no file`);
    if (found.size > MAX_FILE_BYTES)
      throw new GatehouseError('TOO_LARGE', `${path} is too large for a bootstrap file`);
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    throw new GatehouseError('INVALID_CONFIG', `the bootstrap file ${path} cannot be read`, { cause });
  }
  return parseBootstrap(text, path, now);
}

/** INVALID_RESOURCE names every problem, within and between the documents. */
export function parseBootstrap(text: string, source: string, now: number): Bootstrap {
  const notices: string[] = [];
  const documents = parseDocuments(text, { kinds: KINDS, source }).map(withoutRevision);
  const current = withoutUnusable(documents, now, notices);
  const resources = withPresets(withoutLoneAuthorities(current, notices)).sort(byKind);
  const reader = readerOf(resources);
  const [name] = reader.list(NAME_KIND) as readonly Resource<ClusterNameSpec>[];
  const clusterName = clusterNameOf(reader);
  const problems = resources.flatMap((resource) => problemsOf(resource, reader, clusterName));
  if (problems.length > 0) {
    const shown = problems.slice(0, MAX_REPORTED).map((problem) => `\n  ${problem}`);
    const more = problems.length > MAX_REPORTED ? `\n  and ${problems.length - MAX_REPORTED} more` : '';
    throw new GatehouseError(
      'INVALID_RESOURCE',
      `${source} is not valid; nothing was applied:${shown.join('')}${more}`,
      { details: { problems: problems.slice(0, MAX_REPORTED) } },
    );
  }
  const digest = createHash('sha256').update(text).digest('hex');
  return {
    digest,
    clusterName,
    name,
    resources: resources.filter(({ kind }) => kind !== NAME_KIND),
    notices,
  };
}

function withoutRevision(resource: Resource): Resource {
  const { revision: _store, ...metadata } = resource.metadata;
  return { ...resource, metadata };
}

function withoutUnusable(resources: readonly Resource[], now: number, notices: string[]): Resource[] {
  const isPresence = ({ kind: name, sub_kind = '' }: Resource): boolean => {
    const kind = kindOf(name);
    return kind.audience === 'presence' && kind.writtenSubKinds?.includes(sub_kind) !== true;
  };
  const isExpired = ({ metadata }: Resource): boolean =>
    metadata.expires !== undefined && Date.parse(metadata.expires) <= now;
  const count = (what: readonly unknown[], why: string): void => {
    if (what.length > 0) notices.push(`${what.length} ${why}`);
  };
  count(
    resources.filter(isPresence),
    'nodes, proxies, sessions or instances are left out: they announce themselves',
  );
  count(resources.filter(isExpired), 'resources are left out: they have expired');
  return resources.filter((resource) => !isPresence(resource) && !isExpired(resource));
}

/** Authorities whose private keys are not in the file sign nothing: new ones are made in their place. */
function withoutLoneAuthorities(resources: readonly Resource[], notices: string[]): Resource[] {
  const keyed = new Set(namesOf(resources, 'cert_authority_key'));
  const lone = resources.filter(
    ({ kind, metadata }) => kind === 'cert_authority' && !keyed.has(metadata.name),
  );
  if (lone.length > 0) {
    const names = lone.map(({ metadata }) => metadata.name).join(', ');
    notices.push(
      `the file has no private keys of the authorities ${names}: new ones are made, and every certificate of the old cluster is void; export with --with-secrets to keep them`,
    );
  }
  return resources.filter((resource) => !lone.includes(resource));
}

/** Users may refer to preset roles that are not in the file. */
function withPresets(resources: readonly Resource[]): Resource[] {
  const names = new Set(namesOf(resources, 'role'));
  return [...resources, ...presetRoles().filter((role) => !names.has(role.metadata.name))];
}

const namesOf = (resources: readonly Resource[], wanted: string): string[] =>
  resources.filter(({ kind }) => kind === wanted).map(({ metadata }) => metadata.name);

const ORDER = new Map(KINDS.map((kind, index) => [kind.name, index]));
const byKind = (one: Resource, other: Resource): number =>
  (ORDER.get(one.kind) ?? 0) - (ORDER.get(other.kind) ?? 0);

/** By kind and name at once: a file may have tens of thousands of documents. */
interface Documents extends Reader {
  list(kind: string): readonly Resource[];
}

function readerOf(all: readonly Resource[]): Documents {
  const kinds = Map.groupBy(all, ({ kind }) => kind);
  const names = new Map(all.map((resource) => [`${resource.kind}/${resource.metadata.name}`, resource]));
  return {
    get: (kind, name) => names.get(`${kind}/${name}`),
    list: (kind) => kinds.get(kind) ?? [],
  };
}

function clusterNameOf(documents: Documents): string | undefined {
  const [name] = documents.list(NAME_KIND) as readonly Resource<ClusterNameSpec>[];
  const [authority] = documents.list('cert_authority') as readonly Resource<CertAuthoritySpec>[];
  return name?.spec.cluster_name ?? authority?.spec.cluster_name;
}

function problemsOf(resource: Resource, documents: Documents, clusterName: string | undefined): string[] {
  const title = `${resource.kind}/${resource.metadata.name}`;
  const rules = kindOf(resource.kind).checkWrite?.(resource, documents) ?? [];
  return [...rules.map(formatProblem), ...ownProblems(resource, documents, clusterName)].map(
    (problem) => `${resource.kind === 'token' ? 'a token' : title}: ${problem}`,
  );
}

/** Rules of records that only the auth service itself writes otherwise. */
function ownProblems(
  resource: Resource,
  documents: Documents,
  clusterName: string | undefined,
): readonly string[] {
  switch (resource.kind) {
    case 'user_password': {
      const { hash } = resource.spec as UserPasswordSpec;
      return [
        ...ownerProblem(resource.metadata.name, documents),
        ...corruption(() => parsePasswordHash(hash)),
      ];
    }
    case 'mfa_device': {
      const { user, secret } = resource.spec as MfaDeviceSpec;
      return [...ownerProblem(user, documents), ...corruption(() => decodeOtpSecret(secret))];
    }
    case 'invite':
      return ownerProblem((resource.spec as InviteSpec).user, documents);
    case 'cert_authority': {
      const { cluster_name } = resource.spec as CertAuthoritySpec;
      if (clusterName === cluster_name) return [];
      return [`is of the cluster "${cluster_name}", but the file is of the cluster "${clusterName}"`];
    }
    case 'cert_authority_key':
      return authorityProblems(resource as Resource<CertAuthorityKeySpec>, documents);
    default:
      return [];
  }
}

function authorityProblems(
  { metadata, spec }: Resource<CertAuthorityKeySpec>,
  documents: Documents,
): string[] {
  const open = documents.get('cert_authority', metadata.name);
  if (open === undefined) return [`the file has private keys, but no cert_authority/${metadata.name}`];
  try {
    loadSigners(open.spec as CertAuthoritySpec, spec, 'ed25519');
    return [];
  } catch (error) {
    if (!isCode(error)) throw error;
    return [`the private keys do not fit cert_authority/${metadata.name}`];
  }
}

function ownerProblem(user: string, documents: Documents): string[] {
  if (documents.get('user', user) !== undefined) return [];
  return [`belongs to the user "${user}", who is not in the file`];
}

function corruption(read: () => unknown): string[] {
  try {
    read();
    return [];
  } catch (error) {
    if (isCode(error, 'CORRUPT')) return [error.message];
    throw error;
  }
}
