// `gatehouse db configure create`: the configuration file of an agent for one database, or for those that fit labels.
import { stringify } from 'yaml';
import { DEFAULT_DATA_DIR } from '#config/build.ts';
import * as flag from '../../arguments.ts';
import { command, usage, type FlagValues } from '../../arguments.ts';
import { OUTPUT_SAYS, putConfig } from './config-output.ts';
import type { GatehouseContext } from './context.ts';

const flags = {
  token: flag.text({ says: 'Join token, or the path of a file that holds it.', value: 'TOKEN' }),
  proxy: flag.text({ says: 'Web address of the proxy: host:port.', short: 'p', value: 'ADDRESS' }),
  'ca-pin': flag.list({
    says: 'Pin of the authority of the cluster, as `gatectl status` shows it.',
    value: 'PIN',
  }),
  name: flag.text({ says: 'Name of the database in the cluster.', value: 'NAME' }),
  protocol: flag.text({ says: 'What it speaks: postgres.', value: 'PROTOCOL' }),
  uri: flag.text({ says: 'Where it is: host:port.', value: 'ADDRESS' }),
  labels: flag.list({ says: 'Labels of the database.', value: 'K=V,…' }),
  'ca-cert-file': flag.text({ says: 'PEM of the authorities that sign for the database.', value: 'FILE' }),
  'aws-region': flag.text({ says: 'Region of RDS or Aurora.', value: 'REGION' }),
  'aws-account-id': flag.text({ says: 'Account that the database is in.', value: 'ID' }),
  'aws-assume-role-arn': flag.text({ says: 'The role that the agent takes first.', value: 'ARN' }),
  'aws-external-id': flag.text({ says: 'Said when it takes that role.', value: 'ID' }),
  'aws-rds-instance-id': flag.text({ says: 'Name of the instance of RDS.', value: 'ID' }),
  'aws-rds-cluster-id': flag.text({ says: 'Name of the cluster of Aurora.', value: 'ID' }),
  'dynamic-resources-labels': flag.texts({
    says: 'Serve resources of the kind db with these labels too; may be given several times.',
    value: 'K=V,…',
  }),
  'data-dir': flag.textOr(DEFAULT_DATA_DIR, { says: 'Where keys and state are kept.', value: 'FOLDER' }),
  output: flag.textOr('stdout', { says: OUTPUT_SAYS, short: 'o', value: 'WHERE' }),
};
type Given = FlagValues<typeof flags>;

export const dbConfigureCreate = command({
  about: `Makes the file with which \`gatehouse start\` serves a database. The file is for the user who runs this command
alone, and an existing one is never overwritten. Without --name it serves what --dynamic-resources-labels selects.`,
  flags,
  examples: [
    'gatehouse db configure create --token=/tmp/token --proxy=gatehouse.example.com:443 --name=aurora --protocol=postgres --uri=postgres-aurora-instance-1.abcdefghijklm.us-west-1.rds.amazonaws.com:5432 --aws-region=us-west-1 --output=file:///etc/gatehouse.yaml',
    'gatehouse db configure create --token=/tmp/token --proxy=gatehouse.example.com:443 --dynamic-resources-labels=env=prod',
  ],
  async run(context: GatehouseContext, { flags: given }) {
    await putConfig(context, databaseConfig(given), given.output);
  },
});

function databaseConfig(given: Given): string {
  const databases = given.name === undefined ? undefined : [databaseOf(given, given.name)];
  const resources = given['dynamic-resources-labels'].map((text) => ({
    labels: labelsOf(flag.splitList(text), 'dynamic-resources-labels'),
  }));
  if (databases === undefined && (given.uri ?? given.protocol) !== undefined)
    throw usage('--name: a database needs a name');
  if (databases === undefined && resources.length === 0)
    throw usage('--name, --protocol and --uri, or --dynamic-resources-labels: at least one is needed');
  const global = pruned({
    data_dir: given['data-dir'],
    proxy_server: required(given.proxy, 'proxy'),
    auth_token: required(given.token, 'token'),
    ca_pin: given['ca-pin'],
  });
  const service = pruned({
    enabled: 'yes',
    databases,
    resources: resources.length === 0 ? undefined : resources,
  });
  return `# Made by \`gatehouse db configure create\`. Every key is described in docs/reference/config.md.
${stringify({
  version: 'v3',
  gatehouse: global,
  auth_service: { enabled: 'no' },
  proxy_service: { enabled: 'no' },
  ssh_service: { enabled: 'no' },
  db_service: service,
})}`;
}

function databaseOf(given: Given, name: string): object {
  const rds = pruned({ instance_id: given['aws-rds-instance-id'], cluster_id: given['aws-rds-cluster-id'] });
  const aws = pruned({
    region: given['aws-region'],
    account_id: given['aws-account-id'],
    assume_role_arn: given['aws-assume-role-arn'],
    external_id: given['aws-external-id'],
    rds: isEmpty(rds) ? undefined : rds,
  });
  const caFile = given['ca-cert-file'];
  return pruned({
    name,
    protocol: required(given.protocol, 'protocol'),
    uri: required(given.uri, 'uri'),
    static_labels: given.labels === undefined ? undefined : labelsOf(given.labels, 'labels'),
    tls: caFile === undefined ? undefined : { ca_cert_file: caFile },
    aws: isEmpty(aws) ? undefined : aws,
  });
}

function labelsOf(texts: readonly string[], name: string): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf('=');
      if (at < 1) throw usage(`--${name}: "${text.slice(0, 64)}" must be written name=value`);
      return [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function required(value: string | undefined, name: string): string {
  if (value === undefined) throw usage(`--${name} is needed`);
  return value;
}

const pruned = (object: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));

const isEmpty = (object: object): boolean => Object.keys(object).length === 0;
