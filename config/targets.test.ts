// What db_service and app_service say: as documented, with every wrong value at its line, and nothing ignored in silence.
import { describe, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import type { Config } from './config.ts';
import { readConfig, type ReadConfig } from './read.ts';

const read = (text: string, flags = {}): ReadConfig =>
  readConfig(text, { source: 'gatehouse.yaml', hostname: 'turing', flags });
const db = (text: string): Config['db'] => read(text).config.db;
const app = (text: string): Config['app'] => read(text).config.app;

function problemsOf(text: string): string[] {
  try {
    read(text);
  } catch (error) {
    if (error instanceof GatehouseError)
      return error.message
        .split('\n')
        .slice(1)
        .map((line) => line.trim());
    throw error;
  }
  return [];
}

const DATABASES = `
db_service:
  enabled: "yes"
  resources:
  - labels:
      env: [prod, stage]
      "*": "*"
    aws:
      assume_role_arn: arn:aws:iam::123456789012:role/databases
      external_id: other-account
  databases:
  - name: aurora
    description: Orders
    protocol: postgres
    uri: postgres-aurora-instance-1.abcdefghijklm.us-west-1.rds.amazonaws.com:5432
    static_labels:
      env: prod
    dynamic_labels:
    - name: host
      command: [/usr/bin/hostname]
      period: 5m
    aws:
      region: us-west-1
      account_id: "123456789012"
      assume_role_arn: arn:aws:iam::123456789012:role/databases
      external_id: orders
      rds: {instance_id: orders-1, cluster_id: orders, resource_id: cluster-A, iam_auth: no}
    admin_user:
      name: admin
      default_database: postgres
  - name: local.pg
    protocol: postgres
    uri: localhost:5432
    ca_cert_file: /etc/pg/ca.pem
    tls: {mode: verify-ca, server_name: pg.internal}
`;

describe('db_service', () => {
  it('ok: everything that is documented', () => {
    expect(read(DATABASES).notices).toEqual([]);
    expect(db(DATABASES)).toEqual({
      resources: [
        {
          labels: { env: ['prod', 'stage'], '*': ['*'] },
          aws: { assumeRoleArn: 'arn:aws:iam::123456789012:role/databases', externalId: 'other-account' },
        },
      ],
      databases: [
        {
          name: 'aurora',
          description: 'Orders',
          protocol: 'postgres',
          uri: 'postgres-aurora-instance-1.abcdefghijklm.us-west-1.rds.amazonaws.com:5432',
          labels: { env: 'prod' },
          commands: [{ name: 'host', command: ['/usr/bin/hostname'], periodMs: 300_000 }],
          tls: { mode: 'verify-full' },
          aws: {
            region: 'us-west-1',
            accountId: '123456789012',
            assumeRoleArn: 'arn:aws:iam::123456789012:role/databases',
            externalId: 'orders',
            rds: { instanceId: 'orders-1', clusterId: 'orders', resourceId: 'cluster-A', iamAuth: false },
          },
          adminUser: { name: 'admin', defaultDatabase: 'postgres' },
        },
        {
          name: 'local.pg',
          protocol: 'postgres',
          uri: 'localhost:5432',
          labels: {},
          commands: [],
          tls: { mode: 'verify-ca', serverName: 'pg.internal', caCertFile: '/etc/pg/ca.pem' },
          aws: {},
        },
      ],
    });
  });

  it('ok: it runs when it is there, and when --roles says so', () => {
    expect(db('db_service: {enabled: no}')).toBeUndefined();
    expect(db('')).toBeUndefined();
    expect(db('db_service:\n')).toEqual({ databases: [], resources: [] });
    const { config } = read('auth_service: {enabled: yes}\n', { roles: ['db'], authServer: 'a:3025' });
    expect(config).toMatchObject({ db: { databases: [] }, authServers: [{ host: 'a', port: 3025 }] });
    expect(config.auth).toBeUndefined();
  });

  it('ok: what is not served is left out, with a notice at its line', () => {
    const text = `db_service:
  aws: [{types: [rds]}]
  databases:
  - {name: m, protocol: mysql, uri: "localhost:3306"}
  - {name: g, protocol: postgres, uri: "localhost:5432", gcp: {project_id: x}, aws: {redshift: {cluster_id: c}}}
`;
    expect(read(text).notices.filter(({ path }) => path.startsWith('db_service'))).toEqual([
      { line: 2, path: 'db_service.aws', message: expect.stringContaining('finding databases') },
      { line: 4, path: 'db_service.databases[0].protocol', message: expect.stringContaining('"mysql"') },
      { line: 5, path: 'db_service.databases[1].gcp', message: expect.stringContaining('ignored') },
      { line: 5, path: 'db_service.databases[1].aws.redshift', message: expect.any(String) },
    ]);
    expect(db(text)?.databases.map(({ name }) => name)).toEqual(['g']);
  });

  const one = (fields: string): string => `db_service: {databases: [{${fields}}]}`;
  it.each([
    ['no port', one('name: a, protocol: postgres, uri: localhost'), 'uri must be host:port'],
    [
      'the metadata service, S25',
      one('name: a, protocol: postgres, uri: "169.254.169.254:80"'),
      'uri must not',
    ],
    ['a name with a space', one('name: "a b", protocol: postgres, uri: "a:1"'), 'name must be 1 to 128'],
    [
      'a role with a wildcard',
      one(
        'name: a, protocol: postgres, uri: "a:1", aws: {assume_role_arn: "arn:aws:iam::123456789012:role/*"}',
      ),
      'aws.assume_role_arn must be the ARN of one IAM role',
    ],
    ['a region', one('name: a, protocol: postgres, uri: "a:1", aws: {region: mars-1}'), 'aws.region must be'],
    [
      'a label twice',
      one(
        'name: a, protocol: postgres, uri: "a:1", static_labels: {x: "1"}, dynamic_labels: [{name: x, command: y}]',
      ),
      'dynamic_labels[0].name "x" is there already',
    ],
    [
      'a mode',
      one('name: a, protocol: postgres, uri: "a:1", tls: {mode: prefer}'),
      'tls.mode must be one of',
    ],
    [
      'a slip',
      one('name: a, protocol: postgres, uri: "a:1", static_label: {}'),
      'did you mean "static_labels"',
    ],
    [
      'the name twice',
      'db_service: {databases: [{name: a, protocol: postgres, uri: "a:1"}, {name: a, protocol: postgres, uri: "b:1"}]}',
      'databases[1].name "a" is there already',
    ],
    [
      'a role of resources that is none',
      'db_service: {resources: [{labels: {a: b}, aws: {assume_role_arn: x}}]}',
      'resources[0].aws.assume_role_arn',
    ],
  ])('refuses: %s', (_name, text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(message)]);
  });
});

const APPS = `
app_service:
  enabled: yes
  debug_app: true
  labels: {region: eu, env: any}
  commands: [{name: arch, command: [/usr/bin/uname, -m], period: 1h}]
  resources: [{labels: {"*": "*"}}]
  apps:
  - name: grafana
    description: Graphs
    uri: http://localhost:3000
    public_addr: grafana.example.com
    labels: {env: prod}
    insecure_skip_verify: true
    rewrite:
      redirect: [localhost]
      headers: ["X-Team: {{external.team}}", {name: Host, value: inner}]
      jwt_claims: roles
    cors: {allowed_origins: ["https://a.example.com"], allow_credentials: true, max_age: 600}
  - name: aws
    cloud: AWS
    aws: {external_id: abc, oidc: yes, direct_credentials: yes}
`;

describe('app_service', () => {
  it('ok: everything that is documented', () => {
    expect(read(APPS).notices).toEqual([]);
    const commands = [{ name: 'arch', command: ['/usr/bin/uname', '-m'], periodMs: 3_600_000 }];
    expect(app(APPS)).toEqual({
      debugApp: true,
      resources: [{ labels: { '*': ['*'] } }],
      apps: [
        {
          name: 'grafana',
          description: 'Graphs',
          uri: 'http://localhost:3000',
          publicAddr: 'grafana.example.com',
          labels: { region: 'eu', env: 'prod' },
          commands,
          insecureSkipVerify: true,
          rewrite: {
            redirect: ['localhost'],
            headers: [
              { name: 'X-Team', value: '{{external.team}}' },
              { name: 'Host', value: 'inner' },
            ],
            jwtClaims: 'roles',
          },
          cors: {
            allowedOrigins: ['https://a.example.com'],
            allowedMethods: [],
            allowedHeaders: [],
            exposedHeaders: [],
            allowCredentials: true,
            maxAgeSeconds: 600,
          },
          aws: {},
        },
        {
          name: 'aws',
          uri: 'https://console.aws.amazon.com',
          labels: { region: 'eu', env: 'any' },
          commands,
          insecureSkipVerify: false,
          rewrite: { redirect: [], headers: [] },
          aws: { externalId: 'abc', oidc: true, directCredentials: true },
        },
      ],
    });
  });

  it('ok: another cloud is left out, with a notice', () => {
    const text = 'app_service: {apps: [{name: a, cloud: Azure}]}';
    expect(app(text)?.apps).toEqual([]);
    expect(read(text).notices.map(({ path }) => path)).toContain('app_service.apps[0].cloud');
  });

  const one = (fields: string): string => `app_service: {apps: [{${fields}}]}`;
  it.each([
    ['no uri', one('name: a'), 'apps[0].uri is required'],
    ['a name that is no label', one('name: A.b, uri: "http://x"'), 'name must be a label of a host name'],
    ['another protocol', one('name: a, uri: "tcp://x:1"'), 'uri must begin with http'],
    ['the metadata service by a number, S25', one('name: a, uri: "http://2852039166/"'), 'uri must not'],
    ['a password in the uri', one('name: a, uri: "http://u:p@x/"'), 'uri must not hold a user'],
    ['a public address with a port', one('name: a, uri: "http://x", public_addr: "a.b:1"'), 'public_addr'],
    [
      'a header without a name',
      one('name: a, uri: "http://x", rewrite: {headers: ["x"]}'),
      'headers[0] must',
    ],
    [
      'a header of two lines',
      one('name: a, uri: "http://x", rewrite: {headers: ["a: b\\r\\nc: d"]}'),
      'headers[0] must have a value without line breaks',
    ],
    ['an external id', one('name: a, uri: "http://x", aws: {external_id: "a b"}'), 'aws.external_id must be'],
  ])('refuses: %s', (_name, text, message) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(message)]);
  });
});
