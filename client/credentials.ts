// What an agent must remember between starts: its identity, in one record with a checksum.
// The identity is create-only: a record that is damaged or belongs to another cluster is refused, never replaced
// by a new identity in silence. A directory keeps it, or in Kubernetes a Secret, by the same contract
// (conformance/credentials.ts).
import { createHash } from 'node:crypto';
import * as s from '#core/schema/schema.ts';
import { check } from '#core/schema/check.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { hostCertificates } from '#core/api/join.ts';
import { SYSTEM_ROLES } from '#core/identity.ts';

const FORMAT = 1;

const record = s.object({
  format: s.integer({ min: FORMAT, max: FORMAT }),
  /** Counts replacements, so that a stale writer is noticed. */
  generation: s.integer({ min: 1 }),
  roles: s.list(s.enumOf(SYSTEM_ROLES)),
  node_name: s.string(),
  auth_servers: s.list(s.string()),
  ssh_private_key: s.string({ secret: true }),
  tls_private_key: s.string({ secret: true }),
  certificates: hostCertificates,
});

export type HostRecord = s.Infer<typeof record>;

export interface CredentialStore {
  /** For messages: a path, or `Secret namespace/name`. */
  readonly place: string;
  /** Undefined when there is none yet; CORRUPT when it does not pass its checks. */
  load(): Promise<HostRecord | undefined>;
  /** ALREADY_EXISTS when there is one. */
  create(record: HostRecord): Promise<void>;
  /** CONDITION_FAILED when the stored record is not the generation before this one, or is gone. */
  replace(record: HostRecord): Promise<void>;
  /**
   * Only of stores that other processes can reach: `load`, and this process is the one that uses the record from here
   * on. One that held it until now gets NAME_CONFLICT from `replace` and `check`.
   */
  claim?(): Promise<HostRecord | undefined>;
  /** With `claim`: NAME_CONFLICT when another process holds the record, or there is one of another host. */
  check?(hostId: string): Promise<'held' | 'gone'>;
}

/** The stored form: the record and a checksum over it. */
export function encodeRecord(value: HostRecord): string {
  const body = JSON.stringify(value);
  return `${JSON.stringify({ checksum: checksumOf(body), record: value }, null, 1)}\n`;
}

/** CORRUPT when the checksum or the shape is wrong; `where` is named in the message. */
export function decodeRecord(text: string, where: string): HostRecord {
  const outer = parse(text);
  const result = check(record, outer?.record);
  if (result.ok && outer !== undefined && outer.checksum === checksumOf(JSON.stringify(outer.record))) {
    return result.value;
  }
  throw new GatehouseError(
    'CORRUPT',
    `the identity in ${where} is damaged; restore it from a backup, or remove it to join again with a new token`,
  );
}

function parse(text: string): { checksum?: unknown; record?: unknown } | undefined {
  try {
    const value = JSON.parse(text) as unknown;
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

function checksumOf(body: string): string {
  return `sha256:${createHash('sha256').update(body).digest('hex')}`;
}
