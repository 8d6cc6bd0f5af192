// The schemas of the services of applications and databases: what is served is written in the file, or chosen by label among
// the documents of the cluster.
import * as s from '#core/schema/schema.ts';
import { any, commands, flag, labels, text, words } from './fields.ts';

const LATER = 'Not part of this release.';
const MAX_TARGETS = 1000;

const name = (description: string) => s.string({ minLength: 1, maxLength: 253, description });
const selectorLabels = s.withDefault(
  s.map(s.list(s.string({ maxLength: 1024 }), { single: true, max: 256 }), {
    max: 256,
    description: 'Each label must have one of its values; "*" is any.',
  }),
  {},
);

const cors = s.object({
  allowed_origins: words('Origins of other pages that may call it.'),
  allowed_methods: words(),
  allowed_headers: words(),
  exposed_headers: words(),
  allow_credentials: flag(),
  max_age: s.optional(
    s.integer({ max: 86_400, description: 'Seconds that an answer to a preflight holds.' }),
  ),
});

const header = s.choice([
  s.object({ name: s.string({ minLength: 1, maxLength: 256 }), value: s.string({ maxLength: 8192 }) }),
  s.string({ minLength: 1, maxLength: 8450 }),
]);

const rewrite = s.object({
  redirect: words('Hosts in redirects that are replaced by the public address.'),
  headers: s.optional(
    s.list(header, { max: 64, description: 'Set in each request: "Name: value", or name and value.' }),
  ),
  jwt_claims: s.optional(
    s.enumOf(['roles-and-traits', 'roles', 'traits', 'none'], {
      description: 'What the token of a request says of the person. Default: roles-and-traits.',
    }),
  ),
});

const app = s.object({
  name: name('A label of a host name; browsers reach it at <name>.<proxy>.'),
  description: text(),
  uri: text('http or https, as this machine reaches it. Default with cloud: AWS: the console.'),
  public_addr: text('A host name of its own for browsers.'),
  cloud: text('AWS; others are not part of this release.'),
  labels,
  commands,
  insecure_skip_verify: flag('Its certificate is not checked. Default: no.'),
  rewrite: s.optional(rewrite),
  cors: s.optional(cors),
  aws: s.optional(
    s.object({
      external_id: text('Said when roles of AWS are taken.'),
      oidc: flag('Roles are taken by a token of the cluster, not by this machine. Default: no.'),
      direct_credentials: flag(
        'Programs may get temporary credentials of the role (gate aws credential-process). Default: no.',
      ),
    }),
  ),
  required_apps: any(LATER),
  use_any_proxy_public_addr: any(LATER),
});

export const appSection = s.object({
  enabled: flag(),
  debug_app: flag('Serves an application that shows what it is sent, for trying things out. Default: no.'),
  labels,
  commands,
  resources: s.optional(
    s.list(s.object({ labels: selectorLabels, aws: any(LATER) }), {
      max: 100,
      description: 'Serves those of the kind app that fit.',
    }),
  ),
  apps: s.optional(s.list(app, { max: MAX_TARGETS })),
});

const assumedRole = {
  assume_role_arn: text('The role that is taken first.'),
  external_id: text('Said when it is taken.'),
};

const rds = s.object({
  instance_id: text(),
  cluster_id: text(),
  resource_id: text('db-... or cluster-..., as policies of IAM name it.'),
  iam_auth: flag('IAM may sign in. Default: yes.'),
});

const dbAws = s.object({
  region: text('Default: from the name of the host.'),
  account_id: text(),
  ...assumedRole,
  rds: s.optional(rds),
  redshift: any(LATER),
  redshift_serverless: any(LATER),
  elasticache: any(LATER),
  memorydb: any(LATER),
  secret_store: any(LATER),
  opensearch: any(LATER),
});

const database = s.object({
  name: name('Letters, digits and . _ -.'),
  description: text(),
  protocol: s.string({ minLength: 1, maxLength: 64, description: 'postgres.' }),
  uri: s.string({ minLength: 1, maxLength: 512, description: 'host:port, as this machine reaches it.' }),
  static_labels: labels,
  dynamic_labels: commands,
  ca_cert_file: text('Older place of tls.ca_cert_file.'),
  tls: s.optional(
    s.object({
      mode: s.optional(
        s.enumOf(['verify-full', 'verify-ca', 'insecure'], {
          description:
            'What is checked of its certificate: all, all but the name, nothing. Default: verify-full.',
        }),
      ),
      server_name: text('The name its certificate must have.'),
      ca_cert_file: text('PEM of the authorities that may sign for it.'),
      trust_system_cert_pool: any(LATER),
    }),
  ),
  aws: s.optional(dbAws),
  admin_user: s.optional(
    s.object({
      name: name('The account that makes accounts for people.'),
      default_database: text('Where it connects. Default: the database of the session.'),
      owned_objects_to: text(
        'The role that gets what an account owns when it is dropped. Default: such an account stays, without login.',
      ),
    }),
  ),
  gcp: any(LATER),
  azure: any(LATER),
  ad: any(LATER),
  mysql: any(LATER),
  mongodb: any(LATER),
  oracle: any(LATER),
});

export const dbSection = s.object({
  enabled: flag(),
  resources: s.optional(
    s.list(s.object({ labels: selectorLabels, aws: s.optional(s.object(assumedRole)) }), {
      max: 100,
      description: 'Serves those of the kind db that fit.',
    }),
  ),
  aws: any(LATER),
  azure: any(LATER),
  databases: s.optional(s.list(database, { max: MAX_TARGETS })),
});

export type AppSection = s.Infer<typeof appSection>;
export type AppEntry = s.Infer<typeof app>;
export type DbSection = s.Infer<typeof dbSection>;
export type DbEntry = s.Infer<typeof database>;
