// The identity of an agent in a Secret of its Kubernetes: created exclusively, replaced by compare-and-swap on the
// Secret's resourceVersion and the record's generation. An answer that was lost is settled by reading again. The Secret
// also says which pod holds it: of two with the same name, the one that started last.
import { createHash, randomUUID } from 'node:crypto';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import { decodeRecord, encodeRecord, type CredentialStore, type HostRecord } from './credentials.ts';
import type { KubeSecret, OwnerReference } from './kube-secret-object.ts';
import type { KubeSecrets } from './kube-secrets.ts';
import { clusterPins } from './other-cluster.ts';

export interface CredentialSecretOptions {
  readonly secrets: KubeSecrets;
  /** Of the Secret: `<replica name>-state`. */
  readonly name: string;
  readonly log: Log;
}

const FORMAT = '1';
const MANAGED_BY = { 'app.kubernetes.io/managed-by': 'gatehouse' };
/** Others may label the Secret at the same moment; not all the time. */
const MAX_ROUNDS = 5;

/** Codes as of CredentialStore and KubeSecrets. One per process. */
export function openCredentialSecret(options: CredentialSecretOptions): CredentialStore {
  return new SecretStore(options);
}

/** What this process writes into the Secret besides the record. */
interface Self {
  /** The uid of the pod, which a restarted container keeps; else what only this process knows. */
  readonly holder: string;
  readonly owner: OwnerReference | undefined;
}

class SecretStore implements CredentialStore {
  readonly place: string;
  readonly #secrets: KubeSecrets;
  readonly #name: string;
  readonly #log: Log;
  #self: Promise<Self> | undefined;
  /** As it was read or written last. */
  #seen: KubeSecret | undefined;

  constructor({ secrets, name, log }: CredentialSecretOptions) {
    this.#secrets = secrets;
    this.#name = name;
    this.#log = log;
    this.place = `Secret ${secrets.namespace}/${name}`;
  }

  async load(): Promise<HostRecord | undefined> {
    const secret = await this.#read();
    return secret === undefined ? undefined : this.#decode(secret);
  }

  async create(record: HostRecord): Promise<void> {
    const self = await this.#whoAmI();
    const secret = withRecord(emptySecret(this.#name), record, self);
    try {
      this.#seen = await this.#secrets.create(secret);
    } catch (error) {
      if (!isCode(error, 'ALREADY_EXISTS', 'UNAVAILABLE')) throw error;
      const stored = await this.#read();
      if (stored !== undefined && isSame(stored, secret)) return;
      if (stored === undefined) throw error;
      throw new GatehouseError('ALREADY_EXISTS', `${this.place} holds an identity already`, { cause: error });
    }
  }

  async replace(record: HostRecord): Promise<void> {
    const self = await this.#whoAmI();
    await this.#swap((secret) => {
      const next = withRecord(secret, record, self);
      if (isSame(secret, next)) return undefined;
      this.#requireHeld(secret, self);
      if (this.#decode(secret).generation === record.generation - 1) return next;
      throw new GatehouseError('CONDITION_FAILED', `${this.place} was changed by another process`);
    });
  }

  async claim(): Promise<HostRecord | undefined> {
    if ((await this.#read()) === undefined) return undefined;
    const self = await this.#whoAmI();
    let record: HostRecord | undefined;
    await this.#swap((secret) => {
      record = this.#decode(secret);
      const next = withRecord(secret, record, self);
      const before = textOf(secret, 'holder');
      if (before === self.holder && isOwned(secret, self)) return undefined;
      this.#log.info({ place: this.place, before }, 'this pod holds the identity from here on');
      return next;
    }, 'may be gone');
    return record;
  }

  async check(hostId: string): Promise<'held' | 'gone'> {
    const self = await this.#whoAmI();
    const secret = await this.#read();
    if (secret === undefined) return 'gone';
    this.#requireHeld(secret, self);
    const stored = this.#decode(secret).certificates.host_id;
    if (stored === hostId) return 'held';
    throw new GatehouseError(
      'NAME_CONFLICT',
      `${this.place} holds the identity of another host (${stored}) than the one in use (${hostId})`,
    );
  }

  /**
   * Reads, and writes what `change` makes of it; undefined: as it should be. Resolves only when it is known to be stored.
   * CONDITION_FAILED when the Secret is gone, unless it may be.
   */
  async #swap(
    change: (secret: KubeSecret) => KubeSecret | undefined,
    gone: 'may be gone' | 'must be there' = 'must be there',
  ): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const secret = this.#seen ?? (await this.#read());
      if (secret === undefined) {
        if (gone === 'may be gone') return;
        throw new GatehouseError('CONDITION_FAILED', `${this.place} is gone`);
      }
      const next = change(secret);
      if (next === undefined) return;
      this.#seen = undefined;
      try {
        this.#seen = await this.#secrets.replace(next);
        return;
      } catch (error) {
        if (isCode(error, 'CONDITION_FAILED', 'NOT_FOUND')) continue;
        if (!isCode(error, 'UNAVAILABLE')) throw error;
        const stored = await this.#read();
        if (stored !== undefined && isSame(stored, next)) return;
        throw error;
      }
    }
    throw new GatehouseError('UNAVAILABLE', `${this.place} is changed by others all the time`);
  }

  async #read(): Promise<KubeSecret | undefined> {
    this.#seen = undefined;
    return (this.#seen = await this.#secrets.get(this.#name));
  }

  #requireHeld(secret: KubeSecret, self: Self): void {
    const holder = textOf(secret, 'holder');
    if (holder === self.holder) return;
    throw new GatehouseError(
      'NAME_CONFLICT',
      `${this.place} is held by another pod of the same name (${holder ?? 'unknown'}) that started later`,
    );
  }

  #decode(secret: KubeSecret): HostRecord {
    const format = textOf(secret, 'format');
    if (format !== undefined && format !== FORMAT) {
      throw new GatehouseError(
        'NOT_SUPPORTED',
        `${this.place} was written by another version (format ${format.slice(0, 20)}); run that one, or a newer one`,
      );
    }
    const record = decodeRecord(textOf(secret, 'record') ?? '', this.place);
    const hostId = textOf(secret, 'host_id');
    if (hostId === undefined || hostId === record.certificates.host_id) return record;
    throw new GatehouseError(
      'CORRUPT',
      `${this.place} states the host id ${hostId.slice(0, 64)} beside a record of another (${record.certificates.host_id}); restore it from a backup, or remove it to join again`,
    );
  }

  #whoAmI(): Promise<Self> {
    this.#self ??= this.#findSelf();
    this.#self.catch(() => void (this.#self = undefined));
    return this.#self;
  }

  async #findSelf(): Promise<Self> {
    const subject = await this.#secrets.subject();
    if (subject === undefined) return { holder: randomUUID(), owner: undefined };
    const controller = await this.#secrets.controllerOf(subject);
    // What goes with a rollout, such as a ReplicaSet, would take the identity with it.
    const owner = controller?.kind === 'StatefulSet' ? plain(controller) : undefined;
    if (owner === undefined) {
      const { podName: pod } = subject;
      this.#log.warn(
        { pod, place: this.place, controller: controller?.kind },
        'this pod is not of a StatefulSet: nothing removes the Secret of its identity when it is uninstalled',
      );
    }
    return { holder: subject.podUid, owner };
  }
}

/** The Secret is not controlled, and need not go before its owner does. */
const plain = ({ apiVersion, kind, name, uid }: OwnerReference): OwnerReference => ({
  apiVersion,
  kind,
  name,
  uid,
});

const emptySecret = (name: string): KubeSecret => ({
  name,
  labels: {},
  annotations: {},
  finalizers: [],
  owners: [],
  data: {},
});

/** Labels and annotations of others stay. */
function withRecord(secret: KubeSecret, record: HostRecord, { holder, owner }: Self): KubeSecret {
  const kept = secret.owners.filter(({ uid }) => uid !== owner?.uid);
  const texts = {
    record: encodeRecord(record),
    format: FORMAT,
    fingerprint: fingerprintOf(record),
    host_id: record.certificates.host_id,
    holder,
  };
  const data = Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString('base64')]);
  return {
    ...secret,
    labels: { ...secret.labels, ...MANAGED_BY },
    owners: owner === undefined ? kept : [...kept, owner],
    data: { ...secret.data, ...Object.fromEntries(data) },
  };
}

const isOwned = (secret: KubeSecret, { owner }: Self): boolean =>
  owner === undefined || secret.owners.some(({ uid }) => uid === owner.uid);

/** The same record, written by the same holder. */
const isSame = (one: KubeSecret, other: KubeSecret): boolean =>
  one.data['record'] === other.data['record'] && one.data['holder'] === other.data['holder'];

function textOf({ data }: KubeSecret, key: string): string | undefined {
  const text = data[key];
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString('utf8');
}

/** Of the cluster's authorities and the addresses it is reached at: for people who compare Secrets, not checked. */
function fingerprintOf(record: HostRecord): string {
  const text = [record.certificates.cluster_name, ...clusterPins(record), ...record.auth_servers].join('\n');
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
