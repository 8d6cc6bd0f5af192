// The schema of the first section, `gatehouse:` (or `teleport:`): what holds for all services of the process.
import * as s from '#core/schema/schema.ts';
import { flag, text, words } from './fields.ts';

const SEVERITY_WORDS = ['trace', 'debug', 'info', 'warn', 'warning', 'error', 'err'];

export const severityFormat: s.Format = {
  says: 'one of TRACE, DEBUG, INFO, WARN, ERROR',
  accepts: (word) => SEVERITY_WORDS.includes(word.toLowerCase()),
};

const log = s.object({
  output: s.optional(
    s.string({ maxLength: 4096, description: 'stderr (default), stdout, syslog, or the path of a file.' }),
  ),
  severity: s.optional(
    s.string({ format: severityFormat, description: 'The least that is logged. Default: INFO.' }),
  ),
  format: s.optional(
    s.object({
      output: s.optional(s.enumOf(['text', 'json'], { description: 'Default: text.' })),
      extra_fields: s.optional(
        s.list(s.enumOf(['timestamp', 'level', 'component', 'caller']), { single: true }),
      ),
    }),
  ),
});

const sqliteSync: s.Format = {
  says: 'one of FULL, NORMAL, OFF, EXTRA',
  accepts: (word) => ['FULL', 'NORMAL', 'OFF', 'EXTRA'].includes(word.toUpperCase()),
};
const sqliteJournal: s.Format = {
  says: 'one of WAL, DELETE, TRUNCATE, PERSIST (others can lose the database in a crash)',
  accepts: (word) => ['WAL', 'DELETE', 'TRUNCATE', 'PERSIST'].includes(word.toUpperCase()),
};

/** All documented keys of all backends; which of them fit together is for the opener of each backend to say. */
export const storage = s.object({
  type: s.optional(
    s.enumOf(['sqlite', 'dir', 'memory', 'etcd', 'postgresql', 'dynamodb', 'firestore', 'cockroachdb'], {
      description:
        'Where the cluster state is kept. Default: sqlite; dir is the same. Others than sqlite, dir and memory are not part of this release.',
    }),
  ),
  path: text('Folder of the embedded store. Default: backend in data_dir.'),
  sync: s.optional(s.string({ format: sqliteSync, description: 'How the embedded store syncs to disk.' })),
  journal: s.optional(s.string({ format: sqliteJournal, description: 'Journal of the embedded store.' })),
  audit_events_uri: words(
    'Where audit events go: file:// and stdout://. The first is searched. Default: the folder log in data_dir.',
  ),
  audit_sessions_uri: text(
    'Folder of session recordings: file:///path; default log/sessions of the data directory.',
  ),
  region: text(),
  retention_period: s.optional(s.duration()),
  credentials_path: text(),
  // etcd
  peers: words(),
  tls_cert_file: text(),
  tls_key_file: text(),
  tls_ca_file: text(),
  username: text(),
  password_file: text(),
  prefix: text(),
  insecure: flag(),
  etcd_max_client_msg_size_bytes: s.optional(s.integer()),
  // PostgreSQL and CockroachDB
  conn_string: s.optional(s.string({ maxLength: 4096, secret: true })),
  change_feed_conn_string: s.optional(s.string({ maxLength: 4096, secret: true })),
  auth_mode: s.optional(s.enumOf(['', 'static', 'azure', 'gcp-cloudsql'])),
  gcp_connection_name: text(),
  gcp_ip_type: s.optional(s.enumOf(['', 'public', 'private', 'psc'])),
  ttl_job_cron: text(),
  // DynamoDB
  table_name: text(),
  billing_mode: s.optional(s.enumOf(['pay_per_request', 'provisioned'])),
  continuous_backups: flag(),
  use_fips_endpoint: flag(),
  // Firestore
  project_id: text(),
  collection_name: text(),
});

const cache = s.object({
  type: text(),
  enabled: flag(),
  ttl: s.optional(s.duration()),
  max_backoff: s.optional(s.duration()),
});

export const globalSection = s.object({
  nodename: text('The name users connect to. Default: the host name.'),
  data_dir: s.optional(
    s.string({
      minLength: 1,
      maxLength: 4096,
      description: 'Where keys and state are kept. Default: /var/lib/gatehouse.',
    }),
  ),
  pid_file: text('Where the process id is written.'),
  diag_addr: text('Where health and metrics are served over HTTP; off unless set. Default port: 3000.'),
  drain_timeout: s.optional(
    s.duration({
      description:
        'After TERM, proxy and agents take nothing new and let sessions go on for so long at most. Default: 0s, they end at once.',
    }),
  ),
  advertise_ip: text('The address other members are told instead of the one that is bound.'),
  auth_token: s.optional(
    s.string({ maxLength: 4096, secret: true, description: 'A join token, or the path of its file.' }),
  ),
  join_params: s.optional(
    s.object({
      token_name: s.string({
        maxLength: 4096,
        secret: true,
        description:
          'A join token, or the path of its file; for method kubernetes the name of a token, which is no secret.',
      }),
      method: s.withDefault(
        s.enumOf(['token', 'kubernetes'], {
          description:
            'How this machine proves itself: by the token, or as a pod by the ServiceAccount token in the file KUBERNETES_TOKEN_PATH (/var/run/secrets/tokens/join-sa-token).',
        }),
        'token',
      ),
      rejoin: s.withDefault(
        s.boolean({
          description:
            'When the cluster was replaced by another one, join that one anew and give up the stored identity; it is refused otherwise.',
        }),
        false,
      ),
    }),
  ),
  ca_pin: words('Pins of the host authority, as gatectl status prints them; checked when joining.'),
  auth_server: text(
    'Where the auth service is, when it is not here, or the web port of a proxy. Default port: 3025.',
  ),
  auth_servers: words('The same for several auth servers.'),
  proxy_server: text(
    'A proxy of the cluster, in place of auth_server: everything goes through its web port. Default port: 3080.',
  ),
  log: s.optional(log),
  storage: s.optional(storage),
  connection_limits: s.optional(
    s.object({
      max_connections: s.optional(s.integer({ min: 1, max: 10_000_000, description: 'Default: 15000.' })),
      max_users: s.optional(s.integer({ min: 1, max: 10_000_000, description: 'Default: 1000.' })),
      rates: s.optional(s.json()),
    }),
  ),
  cache: s.optional(cache),
  ca_signature_algo: s.optional(
    s.enumOf(['ed25519', 'ecdsa-p256', 'rsa-sha2-256', 'rsa-sha2-512'], {
      description: 'How the SSH authorities sign; SHA-1 is not offered.',
    }),
  ),
  ciphers: words('Accepted and ignored: algorithms are fixed.'),
  kex_algos: words('Accepted and ignored: algorithms are fixed.'),
  mac_algos: words('Accepted and ignored: algorithms are fixed.'),
  ciphersuites: words('Accepted and ignored: algorithms are fixed.'),
});

export type GlobalSection = s.Infer<typeof globalSection>;
