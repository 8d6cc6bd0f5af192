// GatehouseStorage: where a cluster keeps its state and its audit log. The schema that the CRD, the reconciler and the
// reference page are made from.
import { check, type Checked } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { ownType, secretValue } from './fields.ts';

/** `GatehouseStorage`. */
export const STORAGE = ownType('GatehouseStorage', 'gatehousestorages');

const QUANTITY = /^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$/;

const quantity: s.Format = {
  says: 'a size such as 10Gi',
  accepts: (text) => QUANTITY.test(text),
};

const volume = s.object(
  {
    size: s.withDefault(
      s.string({
        minLength: 1,
        maxLength: 32,
        format: quantity,
        description: 'Size of the volume, such as 10Gi.',
      }),
      '10Gi',
    ),
    storageClassName: s.optional(
      s.string({ maxLength: 253, description: "Class of the volume. Default: the cluster's own." }),
    ),
    accessModes: s.withDefault(
      s.list(s.enumOf(['ReadWriteOnce', 'ReadWriteOncePod', 'ReadWriteMany']), {
        max: 3,
        description: 'How the volume is mounted.',
      }),
      ['ReadWriteOnce'],
    ),
  },
  { description: 'The volume of the embedded store.' },
);

const VOLUME = { size: '10Gi', accessModes: ['ReadWriteOnce'] } as const;

const sqlite = s.object(
  {
    sync: s.optional(
      s.enumOf(['FULL', 'NORMAL', 'OFF', 'EXTRA'], {
        description: 'How it syncs to disk. Default: the safe way.',
      }),
    ),
    journal: s.optional(s.enumOf(['WAL', 'DELETE', 'TRUNCATE', 'PERSIST'], { description: 'Its journal.' })),
    volume: s.withDefault(volume, VOLUME),
  },
  { description: 'The embedded store, for one auth server.' },
);

/** The `spec` of a GatehouseStorage. */
export const storageSpec = s.object({
  type: s.withDefault(
    s.string({
      minLength: 1,
      maxLength: 64,
      description:
        'Where the state is kept: sqlite. Of the types of the config file, etcd, postgresql, cockroachdb, dynamodb and firestore are not part of this release.',
    }),
    'sqlite',
  ),
  sqlite: s.withDefault(sqlite, { volume: VOLUME }),
  auditEventsUri: s.optional(
    s.list(s.string({ minLength: 1, maxLength: 4096 }), {
      max: 16,
      description: 'Where audit events go, as audit_events_uri of the config file; the first is searched.',
    }),
  ),
  auditSessionsUri: s.optional(
    s.string({
      minLength: 1,
      maxLength: 4096,
      description: 'Where session recordings go, as audit_sessions_uri of the config file.',
    }),
  ),
  config: s.optional(
    s.map(s.json(), {
      max: 64,
      description:
        'Further keys of the storage section, as the config file has them. Secrets belong in credentials.',
    }),
  ),
  credentials: s.optional(
    s.map(secretValue('The value of one key of the storage section.'), {
      max: 16,
      description:
        'Keys of the storage section whose values are secret, such as conn_string, tls_key_file or password_file: each is read from a Secret of the same namespace.',
    }),
  ),
});

export type StorageSpec = s.Infer<typeof storageSpec>;

/** Checks the `spec` of an object, with defaults filled in. Paths of problems start below `spec`. */
export const parseStorageSpec = (spec: unknown): Checked<StorageSpec> => check(storageSpec, spec);

/** The `status` of a GatehouseStorage beside `conditions` and `observedGeneration`, as the operator writes it. */
export const storageStatus = {
  usedBy: s.optional(s.integer({ description: 'How many clusters keep their state there.' })),
};
