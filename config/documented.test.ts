// Every documented snippet of a config file, as a user would paste it: with the documented name of the first section,
// and with ours.
import { describe, expect, it } from 'vitest';
import type { Config } from './config.ts';
import { readConfig } from './read.ts';

const ALL = ['auth 0.0.0.0:3025', 'ssh 0.0.0.0:3022', 'proxy 0.0.0.0:3080'];

interface Case {
  readonly text: string;
  /** Which services run. */
  readonly runs?: readonly string[];
  /** How notices begin, after those about data_dir and auth being elsewhere. */
  readonly notices?: readonly string[];
  readonly also?: (config: Config) => void;
}

const SAMPLE = `
teleport:
  nodename: NODE_NAME
  data_dir: /var/lib/teleport
  auth_token: xxxx-token-xxxx
  ca_pin: "sha256:ca-pin-hash-goes-here"
  auth_servers:
      - 10.1.0.5:3025
      - 10.1.0.6:3025
  log:
    output: stderr
    severity: INFO
auth_service:
  enabled: "yes"
  cluster_name: "teleport-aws-us-east-1"
  listen_addr: 0.0.0.0:3025
  tokens:
  - proxy,node:xxxx-token-xxxx
  authentication:
    type: local
    second_factor: otp
ssh_service:
  enabled: "yes"
  labels:
    teleport: static-label-example
  commands:
  - name: hostname
    command: [/usr/bin/hostname]
    period: 1m0s
  - name: arch
    command: [/usr/bin/uname, -p]
    period: 1h0m0s
proxy_service:
  enabled: "yes"
  listen_addr: 0.0.0.0:3023
  web_listen_addr: 0.0.0.0:3080
  tunnel_listen_addr: 0.0.0.0:3024
  public_addr: TELEPORT_PUBLIC_DNS_NAME:3080
  https_keypairs:
    - key_file: /var/lib/teleport/webproxy_key.pem
      cert_file: /var/lib/teleport/webproxy_cert.pem
`;

const storage = (lines: string): string => `teleport:\n  storage:\n${lines.replaceAll(/^/gm, '    ')}`;

const CASES: Record<string, Case> = {
  'the sample': {
    text: SAMPLE,
    notices: ['teleport: the auth service runs here', 'teleport.ca_pin[0]: is not a pin'],
    also: (config) => {
      expect(config.auth?.clusterName).toBe('teleport-aws-us-east-1');
      expect(config.auth?.tokens.map(({ roles }) => roles)).toEqual([['proxy', 'node']]);
      expect(config.authServers).toEqual([{ host: '127.0.0.1', port: 3025 }]);
      expect(config.ssh?.commands).toEqual([
        { name: 'hostname', command: ['/usr/bin/hostname'], periodMs: 60_000 },
        { name: 'arch', command: ['/usr/bin/uname', '-p'], periodMs: 3_600_000 },
      ]);
      expect(config.dataDir).toBe('/var/lib/teleport');
      expect(config.proxy).toMatchObject({
        webListenAddr: { host: '0.0.0.0', port: 3080 },
        sshListenAddr: { host: '0.0.0.0', port: 3023 },
        tunnelListenAddr: { host: '0.0.0.0', port: 3024 },
        publicAddrs: [{ host: 'TELEPORT_PUBLIC_DNS_NAME', port: 3080 }],
        httpsKeypairs: [
          {
            keyFile: '/var/lib/teleport/webproxy_key.pem',
            certFile: '/var/lib/teleport/webproxy_cert.pem',
          },
        ],
      });
    },
  },
  'several public addresses': {
    text: 'ssh_service:\n  public_addr: ["proxy-one.example.com", "proxy-two.example.com"]',
    also: ({ ssh }) =>
      expect(ssh?.publicAddrs.map(({ host }) => host)).toEqual([
        'proxy-one.example.com',
        'proxy-two.example.com',
      ]),
  },
  'no second factor': {
    text: 'auth_service:\n  authentication:\n    type: local\n    second_factor: off',
    also: ({ auth }) =>
      expect(auth?.settings).toEqual({ cluster_auth_preference: { type: 'local', second_factor: 'off' } }),
  },
  github: {
    text: 'auth_service:\n  authentication:\n    type: github',
    notices: ['auth_service.authentication.type: single sign-on (github)'],
  },
  saml: {
    text: 'auth_service:\n  authentication:\n    type: saml',
    notices: ['auth_service.authentication.type: single sign-on (saml)'],
  },
  oidc: {
    text: 'auth_service:\n  authentication:\n    type: oidc',
    notices: ['auth_service.authentication.type: single sign-on (oidc)'],
  },
  'no authentication': {
    text: 'auth_service:\n  authentication:\n    type: false',
    notices: ['auth_service.authentication.type: single sign-on (false)'],
  },
  'hardware keys': {
    text: 'auth_service:\n  authentication:\n    type: local\n    second_factor: u2f\n    u2f:\n       app_id: https://localhost:3080\n       facets:\n       - https://localhost:3080',
    notices: ['auth_service.authentication.second_factor: hardware keys (u2f)'],
  },
  'static tokens': {
    text: 'auth_service:\n    enabled: true\n    tokens:\n    - "proxy,node:secret-token-value"\n    - "auth:/path/to/tokenfile"',
    also: ({ auth }) => {
      expect(auth?.tokens[0]?.token).toMatchObject({ type: 'value' });
      expect(auth?.tokens[1]).toEqual({
        roles: ['auth'],
        token: { type: 'file', path: '/path/to/tokenfile' },
      });
    },
  },
  'a node with a pin': {
    text: 'teleport:\n  auth_token: "1ac590d36493acdaa2387bc1c492db1a"\n  ca_pin: "sha256:7e12c17c20d9cb504bbcb3f0236be3f446861f1396dcbb44425fe28ec1c108f1"\n  auth_servers:\n    - "10.12.0.6:3025"',
    runs: ['ssh 0.0.0.0:3022'],
    also: (config) => {
      expect(config.authServers).toEqual([{ host: '10.12.0.6', port: 3025 }]);
      expect(config.caPins).toEqual([
        'sha256:7e12c17c20d9cb504bbcb3f0236be3f446861f1396dcbb44425fe28ec1c108f1',
      ]);
      expect(config.join?.method).toBe('token');
    },
  },
  'static labels': {
    text: 'ssh_service:\n  enabled: "yes"\n  labels:\n    environment: test\napp_service:\n  labels:\n    environment: test',
    notices: ['app_service'],
    also: ({ ssh }) => expect(ssh?.labels).toEqual({ environment: 'test' }),
  },
  'dynamic labels': {
    text: 'ssh_service:\n  enabled: "yes"\n  commands:\n  - name: hostname\n    command: [hostname]\n    period: 1m0s\n  - name: arch\n    command: [uname, -p]\n    period: 1h0m0s\napp_service:\n  enabled: "yes"\n  commands:\n  - name: hostname\n    command: [hostname]\n    period: 1m0s',
    notices: ['app_service'],
  },
  'a pipe of commands': {
    text: `ssh_service:\n  commands:\n  - name: kernel\n    command: ["/bin/sh", "-c", "uname -a | egrep -o '[0-9]+\\\\.[0-9]+\\\\.[0-9]+'"]\n    period: 5m`,
    also: ({ ssh }) =>
      expect(ssh?.commands[0]?.command[2]).toBe(`uname -a | egrep -o '[0-9]+\\.[0-9]+\\.[0-9]+'`),
  },
  'a big proxy': {
    text: 'teleport:\n  cache:\n    type: in-memory\n  connection_limits:\n    max_connections: 65000\n    max_users: 1000',
    also: ({ connectionLimits }) =>
      expect(connectionLimits).toEqual({ maxConnections: 65_000, maxUsers: 1000 }),
  },
  etcd: {
    text: storage(
      'type: etcd\npeers: ["https://172.17.0.1:4001", "https://172.17.0.2:4001"]\ntls_cert_file: /var/lib/teleport/etcd-cert.pem\ntls_key_file: /var/lib/teleport/etcd-key.pem\ntls_ca_file: /var/lib/teleport/etcd-ca.pem\nusername: username\npassword_file: /mnt/secrets/etcd-pass\nprefix: /teleport/\ninsecure: false\netcd_max_client_msg_size_bytes: 15728640',
    ),
    notices: ['teleport.storage.type: etcd is not part of this release'],
  },
  S3: {
    text: storage('region: us-east-1\naudit_sessions_uri: "s3://Example_TELEPORT_S3_BUCKET/records"'),
    notices: ['teleport.storage.audit_sessions_uri: session recordings'],
  },
  DynamoDB: {
    text: storage(
      "type: dynamodb\nregion: us-east-1\ntable_name: Example_TELEPORT_DYNAMO_TABLE_NAME\naudit_events_uri:  ['dynamodb://events_table_name', 'file:///var/lib/teleport/audit/events', 'stdout://']\naudit_sessions_uri: s3://Example_TELEPORT_S3_BUCKET/records\nretention_period: 365d\nbilling_mode: \"pay_per_request\"\ncontinuous_backups: true",
    ),
    notices: [
      'teleport.storage.type: dynamodb',
      'teleport.storage.audit_events_uri[0]: dynamodb:// is not',
      'teleport.storage.audit_sessions_uri',
    ],
    also: ({ auth }) => expect(auth?.audit.eventsUris).toHaveLength(3),
  },
  GCS: {
    text: storage(
      'audit_sessions_uri: "gs://Example_TELEPORT_STORAGE/records"\ncredentials_path: /var/lib/teleport/gcs_creds',
    ),
    notices: ['teleport.storage.audit_sessions_uri'],
  },
  Firestore: {
    text: storage(
      "type: firestore\nproject_id: Example_GCP_Project_Name\ncollection_name: Example_TELEPORT_FIRESTORE_TABLE_NAME\ncredentials_path: /var/lib/teleport/gcs_creds\naudit_events_uri:  ['firestore://Example_TELEPORT_FIRESTORE_EVENTS_TABLE_NAME', 'file:///var/lib/teleport/audit/events', 'stdout://']\naudit_sessions_uri: gs://Example_TELEPORT_S3_BUCKET/records",
    ),
    notices: [
      'teleport.storage.type: firestore',
      'teleport.storage.audit_events_uri[0]: firestore:// is not',
      'teleport.storage.audit_sessions_uri',
    ],
  },
  Athena: {
    text: storage(
      "audit_events_uri:\n  - 'athena://database.table?params'\n  - 'file:///var/lib/teleport/audit/events'\n  - 'stdout://'",
    ),
    notices: ['teleport.storage.audit_events_uri[0]: athena:// is not'],
  },
  'Azure blobs': {
    text: storage(
      'audit_sessions_uri: azblob://account-name.core.blob.windows.net#session_container=session_container_name&inprogress_container=inprogress_container_name',
    ),
    notices: ['teleport.storage.audit_sessions_uri'],
  },
  PostgreSQL: {
    text: storage(
      'type: postgresql\nconn_string: postgresql://user_name@database-address/teleport_backend?sslmode=verify-full&pool_max_conns=20\nchange_feed_conn_string: postgresql://replication_user_name@database-address/teleport_backend?sslmode=verify-full\naudit_events_uri:\n  - postgresql://user_name@database-address/teleport_audit?sslmode=verify-full#disable_cleanup=false&retention_period=2160h',
    ),
    notices: [
      'teleport.storage.type: postgresql',
      'teleport.storage.audit_events_uri[0]: postgresql:// is not',
    ],
  },
  'PostgreSQL on Azure': {
    text: storage(
      'type: postgresql\nconn_string: postgresql://u@h/teleport_backend?sslmode=verify-full&pool_max_conns=20\nauth_mode: azure\naudit_events_uri:\n  - postgresql://u@h/teleport_audit?sslmode=verify-full#auth_mode=azure',
    ),
    notices: ['teleport.storage.type', 'teleport.storage.audit_events_uri[0]'],
  },
  'PostgreSQL on Google Cloud': {
    text: storage(
      'type: postgresql\nauth_mode: gcp-cloudsql\ngcp_connection_name: project:location:instance\ngcp_ip_type: public\nconn_string: postgresql://u@h@/teleport_backend\naudit_events_uri:\n  - postgresql://u@h@/teleport_audit#auth_mode=gcp-cloudsql&gcp_connection_name=project:location:instance&gcp_ip_type=public',
    ),
    notices: ['teleport.storage.type', 'teleport.storage.audit_events_uri[0]'],
  },
  CockroachDB: {
    text: storage(
      'type: cockroachdb\nconn_string: postgresql://user_name@database-address/teleport_backend?sslmode=verify-full&pool_max_conns=20\nchange_feed_conn_string: postgresql://user_name@database-address/teleport_backend?sslmode=verify-full\nttl_job_cron: "*/20 * * * *"',
    ),
    notices: ['teleport.storage.type: cockroachdb'],
  },
  'SQLite, fewer syncs': {
    text: storage('type: sqlite\nsync: NORMAL'),
    also: ({ auth }) => expect(auth?.storage).toEqual({ type: 'sqlite', sync: 'NORMAL' }),
  },
  'SQLite, no syncs': {
    text: storage('type: sqlite\nsync: "OFF"'),
    also: ({ auth }) => expect(auth?.storage).toEqual({ type: 'sqlite', sync: 'OFF' }),
  },
  'SQLite, no syncs, without quotes': {
    text: storage('type: dir\nsync: OFF'),
    also: ({ auth }) => expect(auth?.storage).toEqual({ type: 'dir', sync: 'OFF' }),
  },
  'SQLite, write-ahead log': {
    text: storage('type: sqlite\nsync: NORMAL\njournal: WAL'),
    also: ({ auth }) => expect(auth?.storage).toEqual({ type: 'sqlite', sync: 'NORMAL', journal: 'WAL' }),
  },
  'a data folder': {
    text: 'teleport:\n  data_dir: /var/lib/teleport_data',
    also: ({ dataDir }) => expect(dataDir).toBe('/var/lib/teleport_data'),
  },
  'a fresh data folder for a restore': {
    text: 'teleport:\n  data_dir: fresh',
    also: ({ dataDir }) => expect(dataDir).toBe('fresh'),
  },
  'signatures of the CA': {
    text: 'teleport:\n  ca_signature_algo: "rsa-sha2-512"',
    also: ({ auth }) => expect(auth?.caSignatureAlgo).toBe('rsa-sha2-512'),
  },
  'a license': {
    text: 'auth_service:\n    license_file: /var/lib/teleport/license.pem',
    notices: ['auth_service.license_file: no license'],
  },
  'access monitoring': {
    text: 'auth_service:\n  access_monitoring:\n    enabled: true\n    role_arn: arn:aws:iam::123456789012:role/AccessMonitoringRole\n    report_results: s3://audit-long-term/report_results\n    workgroup: access_monitoring_workgroup',
    notices: ['auth_service.access_monitoring: access monitoring'],
  },
  'an application agent': {
    text: 'version: v3\nteleport:\n  join_params:\n    token_name: "/tmp/token"\n    method: token\n  proxy_server: "PROXY_ADDR"\nauth_service:\n  enabled: off\nproxy_service:\n  enabled: off\nssh_service:\n  enabled: off\napp_service:\n  enabled: "yes"\n  apps:\n  - name: "awsconsole"\n    uri: "https://console.aws.amazon.com/ec2/v2/home"',
    runs: [],
    also: ({ join, proxyServer, authServers, app }) => {
      expect(app?.apps).toMatchObject([
        { name: 'awsconsole', uri: 'https://console.aws.amazon.com/ec2/v2/home' },
      ]);
      expect(authServers).toEqual([proxyServer]);
      expect(join).toEqual({ method: 'token', rejoin: false, token: { type: 'file', path: '/tmp/token' } });
      expect(proxyServer).toEqual({ host: 'PROXY_ADDR', port: 3080 });
    },
  },
  'several AWS accounts': {
    text: 'app_service:\n  enabled: "yes"\n  apps:\n  - name: "awsconsole-test"\n    uri: "https://console.aws.amazon.com/ec2/v2/home"\n    labels:\n      aws_account_id: "1234567890"\n      env: test\n  - name: "awsconsole-third-party"\n    uri: "https://console.aws.amazon.com/ec2/v2/home"\n    labels:\n      aws_account_id: "1234554321"\n    aws:\n      external_id: "example-external-id"',
    also: ({ app }) =>
      expect(app?.apps.map(({ labels, aws }) => [labels['aws_account_id'], aws])).toEqual([
        ['1234567890', {}],
        ['1234554321', { externalId: 'example-external-id' }],
      ]),
  },
};

const ALWAYS = /^(?:teleport: data_dir is not set|: auth_service is off because)/;

describe.each(Object.entries(CASES))('documented: %s', (_name, { text, runs = ALL, notices = [], also }) => {
  it.each([
    ['as printed', text],
    ['with our names', text.replace(/^teleport:/m, 'gatehouse:')],
  ])('ok: %s', (_form, given) => {
    const read = readConfig(given, { source: 'teleport.yaml', hostname: 'localhost' });
    const { auth, ssh, proxy } = read.config;
    const listeners = { auth: auth?.listenAddr, ssh: ssh?.listenAddr, proxy: proxy?.webListenAddr };
    const running = Object.entries(listeners).filter(([, address]) => address !== undefined);
    expect(running.map(([name, address]) => `${name} ${address?.host}:${address?.port}`)).toEqual(runs);
    const lines = read.notices.map(({ path, message }) =>
      `${path}: ${message}`.replace(/^gatehouse\b/, 'teleport'),
    );
    const others = lines.filter((line) => !ALWAYS.test(line));
    expect(others.map((line, index) => line.slice(0, notices[index]?.length))).toEqual(notices);
    also?.(read.config);
  });
});
