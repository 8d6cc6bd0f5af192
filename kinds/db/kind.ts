// A database that agents may serve: where it is, how it is trusted, and how people become known to it.
import { awsSettingProblems } from '#core/aws/settings.ts';
import { certificatesComplaint } from '#core/certs/x509/pem.ts';
import { defineKind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { databaseNameComplaint, parseDatabaseUri } from '#core/target-address.ts';
import { commandLabels, formatLabels, labelsWith } from '../command-labels.ts';

const text = (maxLength: number, description = '') => s.optional(s.string({ maxLength, description }));

const tls = s.object({
  mode: s.withDefault(
    s.enumOf(['verify-full', 'verify-ca', 'insecure'], {
      description: 'What is checked of its certificate: all, all but the name, nothing.',
    }),
    'verify-full',
  ),
  ca_cert: text(524_288, 'PEM of the authorities that may sign for it. Default: those of the system.'),
  server_name: text(253, 'The name its certificate must have, when it is not the host of the uri.'),
});

const rds = s.object({
  instance_id: text(63),
  cluster_id: text(63),
  resource_id: text(128, 'db-… or cluster-…, as policies of IAM name it.'),
  iam_auth: s.optional(s.boolean({ description: 'Whether IAM may sign in. Default: yes.' })),
});

const aws = s.object({
  region: text(32, 'Default: from the name of the host.'),
  account_id: text(12),
  assume_role_arn: text(2048, 'The role that the agent takes first.'),
  external_id: text(1224, 'Said when it takes that role.'),
  rds: s.optional(rds),
});

const spec = s.object({
  protocol: s.enumOf(['postgres'], { description: 'What it speaks.' }),
  uri: s.string({ minLength: 1, maxLength: 512, description: 'host:port, as the agent reaches it.' }),
  tls: s.withDefault(tls, { mode: 'verify-full' }),
  ca_cert: text(524_288, 'Older place of tls.ca_cert.'),
  aws: s.withDefault(aws, {}),
  admin_user: s.optional(
    s.object({
      name: s.string({ minLength: 1, maxLength: 63, description: 'The account that makes accounts.' }),
      default_database: text(63, 'Where it connects. Default: the database of the session.'),
      owned_objects_to: text(
        63,
        'The role that gets what an account owns when it is dropped. Default: such an account stays, without login.',
      ),
    }),
  ),
  dynamic_labels: commandLabels,
});

export type DbSpec = s.Infer<typeof spec>;

export const dbKind = defineKind<DbSpec>({
  name: 'db',
  aliases: ['database', 'databases'],
  description: 'A database that agents of the role db may serve.',
  versions: ['v3'],
  spec,
  columns: [
    { title: 'Name', value: (db) => db.metadata.name },
    { title: 'Protocol', value: (db) => db.spec.protocol },
    { title: 'URI', value: (db) => db.spec.uri },
    { title: 'Labels', value: (db) => formatLabels(dbLabels(db)) },
  ],
  normalize,
  check,
});

/** Static labels and the last results of command labels; a command wins over a static label of the same name. */
export function dbLabels(db: Pick<Resource<DbSpec>, 'metadata' | 'spec'>): Record<string, string> {
  return labelsWith(db.metadata.labels, db.spec.dynamic_labels);
}

function normalize(db: Resource<DbSpec>): Resource<DbSpec> {
  const { ca_cert, ...rest } = db.spec;
  if (ca_cert === undefined) return db;
  return { ...db, spec: { ...rest, tls: { ...rest.tls, ca_cert: rest.tls.ca_cert ?? ca_cert } } };
}

function check({ metadata, spec: db }: Resource<DbSpec>): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse = (message: string | undefined, ...path: string[]): void => {
    if (message !== undefined) problems.push({ path, message });
  };
  refuse(databaseNameComplaint(metadata.name), 'metadata', 'name');
  const address = parseDatabaseUri(db.uri);
  if (typeof address === 'string') refuse(address, 'spec', 'uri');
  if (db.tls.ca_cert !== undefined) refuse(certificatesComplaint(db.tls.ca_cert), 'spec', 'tls', 'ca_cert');
  for (const { field, message } of awsSettingProblems(db.aws)) refuse(message, 'spec', 'aws', field);
  return problems;
}
