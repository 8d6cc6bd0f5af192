import { describe, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { parseLabelsFlag } from './labels.ts';
import { readConfig, type ReadConfig } from './read.ts';
import type { ConfigFlags } from './flags.ts';
import { sampleConfig } from './sample.ts';

const read = (text: string, flags: ConfigFlags = {}): ReadConfig =>
  readConfig(text, { source: 'gatehouse.yaml', hostname: 'turing', flags });

function refusalOf(text: string, flags: ConfigFlags = {}): string {
  try {
    read(text, flags);
  } catch (error) {
    if (error instanceof GatehouseError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

describe('defaults', () => {
  it('ok: an empty file', () => {
    const { config, notices } = read('');
    expect(notices).toEqual([]);
    expect(config).toEqual({
      nodename: 'turing',
      dataDir: '/var/lib/gatehouse',
      drainTimeoutMs: 0,
      log: {
        output: 'stderr',
        severity: 'info',
        format: 'text',
        extraFields: ['timestamp', 'level', 'component', 'caller'],
      },
      connectionLimits: { maxConnections: 15_000, maxUsers: 1000 },
      authServers: [{ host: '127.0.0.1', port: 3025 }],
      caPins: [],
      auth: {
        listenAddr: { host: '0.0.0.0', port: 3025 },
        publicAddrs: [],
        tokens: [],
        storage: { type: 'sqlite' },
        audit: { eventsUris: [] },
        settings: {},
      },
      ssh: {
        listenAddr: { host: '0.0.0.0', port: 3022 },
        publicAddrs: [],
        labels: {},
        commands: [],
        allowTcpForwarding: true,
        fileCopy: true,
        permitUserEnv: false,
        x11: { enabled: false, displayOffset: 10, maxDisplays: 1000 },
      },
      proxy: {
        webListenAddr: { host: '0.0.0.0', port: 3080 },
        sshListenAddr: { host: '0.0.0.0', port: 3023 },
        tunnelListenAddr: { host: '0.0.0.0', port: 3024 },
        publicAddrs: [],
        sshPublicAddrs: [],
        tunnelPublicAddrs: [],
        httpsKeypairs: [],
        httpsReloadMs: 60_000,
        proxyProtocolFrom: [],
        trustXForwardedFor: false,
        insecureNoTls: false,
      },
    });
  });

  it.each(['# nothing\n', 'gatehouse:\n', 'version: v2\nssh_service:\n', '---\n'])(
    'ok: as good as empty: %j',
    (text) => {
      expect(read(text).config).toEqual(read('').config);
    },
  );

  it('ok: the sample starts, whatever is put into it, and gives no notice', () => {
    expect(read(sampleConfig({ nodename: 'a: "b' }).replace(/nodename: .*/, 'nodename: x')).notices).toEqual(
      [],
    );
    const { config, notices } = read(
      sampleConfig({ nodename: 'dijkstra', clusterName: 'main.example.com', dataDir: '/tmp/x: "#' }),
    );
    expect(notices).toEqual([]);
    expect(config).toMatchObject({
      nodename: 'dijkstra',
      dataDir: '/tmp/x: "#',
      auth: { clusterName: 'main.example.com' },
    });
  });

  it('ok: JSON logs at a level of any case, to a file', () => {
    const { log } = read(
      'gatehouse:\n  log: {output: /var/log/gatehouse.log, severity: warning, format: {output: json, extra_fields: [level]}}',
    ).config;
    expect(log).toEqual({
      output: { path: '/var/log/gatehouse.log' },
      severity: 'warn',
      format: 'json',
      extraFields: ['level'],
    });
  });

  it('ok: settings of the cluster that the file has, in the form of their kinds', () => {
    const text =
      'auth_service:\n  client_idle_timeout: 30m\n  disconnect_expired_cert: yes\n  session_recording: off\n  authentication: {local_auth: no, require_session_mfa: on}\n';
    expect(read(text).config.auth?.settings).toEqual({
      cluster_auth_preference: {
        require_session_mfa: true,
        allow_local_auth: false,
        disconnect_expired_cert: true,
      },
      cluster_networking_config: { client_idle_timeout: '30m' },
      session_recording_config: { mode: 'off' },
    });
  });
});

describe('which services run', () => {
  const running = (text: string, flags: ConfigFlags = {}): string => {
    const { auth, ssh, proxy } = read(text, flags).config;
    return [auth && 'auth', ssh && 'node', proxy && 'proxy'].filter(Boolean).join('+');
  };

  it.each([
    ['', {}, 'auth+node+proxy'],
    ['ssh_service: {enabled: no}', {}, 'auth+proxy'],
    ['ssh_service: {enabled: "off"}\nauth_service: {}', {}, 'auth+proxy'],
    ['proxy_service: {enabled: no}', {}, 'auth+node'],
    ['gatehouse: {auth_server: a}\nproxy_service:', {}, 'node+proxy'],
    ['gatehouse: {proxy_server: a}', {}, 'node'],
    ['gatehouse: {auth_server: a}', {}, 'node'],
    ['gatehouse: {auth_servers: [a]}\nauth_service: {cluster_name: b}', {}, 'auth+node+proxy'],
    ['auth_service: {enabled: false}\ngatehouse: {auth_server: a}', {}, 'node'],
    ['', { roles: ['auth'] }, 'auth'],
    ['', { authServer: 'a' }, 'node'],
    ['auth_service: {enabled: yes}', { roles: ['node'], authServer: 'a' }, 'node'],
    ['', { roles: ['proxy', 'app'], authServer: 'a' }, 'proxy'],
  ] as const)('ok: %j with %j runs %s', (text, flags, expected) =>
    expect(running(text, flags)).toBe(expected),
  );

  it('ok: duties of sessions that nothing holds to yet give a notice each, and their absence none', () => {
    const login = (fields: string) =>
      read(`auth_service: {authentication: {${fields}}}`).notices.map(({ path }) => path);
    expect(login('require_session_mfa: yes, device_trust: {mode: required}')).toEqual([
      'auth_service.authentication.require_session_mfa',
      'auth_service.authentication.device_trust',
    ]);
    expect(login('require_session_mfa: no, device_trust: {mode: off}')).toEqual([]);
  });

  it('ok: each service that is not there gives one notice', () => {
    const text =
      'db_service: {enabled: no}\napp_service: {enabled: no}\nkubernetes_service:\n  enabled: yes\n';
    const later = (name: string): string => `${name} is not part of this release; it is ignored`;
    expect(read(text).notices).toEqual([
      { line: 3, path: 'kubernetes_service', message: later('kubernetes_service') },
    ]);
    expect(read('', { roles: ['auth', 'kube'] }).notices).toEqual([
      { path: '--roles', message: 'kube is not part of this release; it is ignored' },
    ]);
  });

  it('ok: a file of the documents keeps our data folder, and says so', () => {
    const { config, notices } = read('teleport:\n  nodename: a\n');
    expect(config.dataDir).toBe('/var/lib/gatehouse');
    expect(notices).toEqual([
      {
        line: 1,
        path: 'teleport',
        message: 'data_dir is not set; it is /var/lib/gatehouse, not /var/lib/teleport',
      },
    ]);
  });
});

describe('flags win over the file', () => {
  it('ok: all of them', () => {
    const { config } = read(
      'gatehouse: {nodename: a, auth_server: a, auth_token: file-token-value, data_dir: /a}\nssh_service: {labels: {env: a, team: x}, commands: [{name: arch, command: [arch]}]}',
      {
        nodename: 'b',
        authServer: 'b:1,[::1]',
        token: '/tmp/token',
        caPins: [`sha256:${'AB'.repeat(32)}`],
        dataDir: '/b',
        pidFile: '/run/b.pid',
        diagAddr: ':4000',
        debug: true,
        labels: parseLabelsFlag('env=b,arch=c'),
      },
    );
    expect(config).toMatchObject({
      nodename: 'b',
      dataDir: '/b',
      pidFile: '/run/b.pid',
      diagAddr: { host: '127.0.0.1', port: 4000 },
      authServers: [
        { host: 'b', port: 1 },
        { host: '::1', port: 3025 },
      ],
      caPins: [`sha256:${'ab'.repeat(32)}`],
      join: { token: { type: 'file', path: '/tmp/token' } },
      log: { severity: 'debug' },
      ssh: { labels: { env: 'b', arch: 'c', team: 'x' }, commands: [] },
    });
  });

  it.each([
    [{ authServer: 'a b' }, 'USAGE --auth-server: "a b" is not an address'],
    [{ token: 'short' }, 'USAGE --token: a token must have 8 to 253'],
    [{ caPins: ['sha256:12'], authServer: 'a' }, 'USAGE --ca-pin: is not a pin'],
    [{ nodename: 'a b' }, 'USAGE --nodename: must be a host name'],
    [{ diagAddr: 'a b' }, 'USAGE --diag-addr: "a b" is not an address'],
  ])('refuses: %j', (flags, message) => expect(refusalOf('', flags)).toContain(message));
});

describe('refuses', () => {
  it.each([
    [
      'an unknown key, with line and nearest name',
      'gatehouse:\n  nodname: a',
      'line 2: gatehouse.nodname is not a known field; did you mean "nodename"?',
    ],
    [
      'an unknown section',
      'sshd_service:\n  enabled: yes',
      'line 1: sshd_service is not a known field; did you mean "ssh_service"?',
    ],
    [
      'a slip deep down',
      'auth_service:\n  authentication:\n    u2f:\n      appid: x',
      'line 4: auth_service.authentication.u2f.appid is not a known field; did you mean "app_id"?',
    ],
    [
      'a slip in a service that is not there yet',
      'proxy_service:\n  web_listen_adr: x',
      'line 2: proxy_service.web_listen_adr is not a known field; did you mean "web_listen_addr"?',
    ],
    [
      'both names of the first section',
      'gatehouse: {}\nteleport: {}',
      'line 2: teleport must be left out when there is a section "gatehouse"',
    ],
    ['a tab', 'gatehouse:\n\tnodename: a', 'line 2: indentation must be spaces, not tabs'],
    [
      'a duplicate key',
      'gatehouse:\n  nodename: a\n  nodename: b',
      'line 3: the key "nodename" is there twice',
    ],
    [
      'two documents',
      'gatehouse:\n  nodename: a\n---\nversion: v2',
      'line 4: a config file is one YAML document',
    ],
    ['a list', '- a', 'line 1: must be a map of fields, not a list'],
    ['a later version', 'version: v4', 'line 1: version must be one of v1, v2, v3'],
    [
      'neither yes nor no',
      'ssh_service:\n  enabled: maybe',
      'line 2: ssh_service.enabled must be true or false',
    ],
    [
      'a period under a minute',
      'ssh_service:\n  commands:\n  - name: a\n    command: [date]\n    period: 30s',
      'line 5: ssh_service.commands[0].period must be at least 60 seconds',
    ],
    [
      'a command with a space',
      'ssh_service:\n  commands:\n  - name: a\n    command: ["/bin/uname -m"]',
      'line 4: ssh_service.commands[0].command must list the program and each argument apart',
    ],
    [
      'a command named as a label',
      'ssh_service:\n  labels: {a: b}\n  commands:\n  - name: a\n    command: [date]',
      'line 4: ssh_service.commands[0].name "a" is there already',
    ],
    [
      'a label with a space',
      'ssh_service:\n  labels:\n    a b: c',
      'line 3: ssh_service.labels["a b"] is not the name of a label',
    ],
    [
      'an address that is none',
      'auth_service:\n  listen_addr: 3025',
      'line 2: auth_service.listen_addr "3025" is not an address',
    ],
    [
      'an address among others',
      'gatehouse:\n  auth_servers:\n  - a\n  - b:c',
      'line 4: gatehouse.auth_servers[1] "b:c" is not an address',
    ],
    [
      'a pin that is none',
      'gatehouse:\n  auth_server: a\n  ca_pin: sha256:xyz',
      'line 3: gatehouse.ca_pin[0] is not a pin',
    ],
    [
      'two kinds of address',
      'gatehouse:\n  auth_server: a\n  auth_servers: [b]',
      'line 3: gatehouse.auth_servers must be left out when auth_server is set',
    ],
    [
      'two tokens',
      'gatehouse:\n  auth_token: abcdefgh\n  join_params: {token_name: ijklmnop}',
      'line 2: gatehouse.auth_token must be left out when join_params is set',
    ],
    [
      'a join method that is not there',
      'gatehouse:\n  join_params: {token_name: a, method: iam}',
      'gatehouse.join_params.method must be one of token, kubernetes',
    ],
    [
      'a path where a name belongs',
      'gatehouse:\n  join_params: {token_name: /tmp/hunter2, method: kubernetes}',
      'gatehouse.join_params.token_name must be the name of a token for join method kubernetes',
    ],
    [
      'a node alone',
      'auth_service: {enabled: no}',
      'needs auth_server: the address of the auth service, which does not run here',
    ],
    [
      'both an auth server and a proxy',
      'gatehouse:\n  proxy_server: a\n  auth_servers: [b]',
      'line 2: gatehouse.proxy_server must be left out when auth_server or auth_servers is set',
    ],
    [
      'SHA-1 signatures',
      'gatehouse:\n  ca_signature_algo: ssh-rsa',
      'line 2: gatehouse.ca_signature_algo must be one of ed25519',
    ],
    [
      'a bad cluster name',
      'auth_service:\n  cluster_name: a b',
      'line 2: auth_service.cluster_name must be a DNS name',
    ],
    [
      'an audit sink without a scheme',
      'gatehouse:\n  storage:\n    audit_events_uri: /var/log',
      'line 3: gatehouse.storage.audit_events_uri[0] must begin with file:// or be stdout://',
    ],
    [
      'hardware keys without a domain',
      'auth_service:\n  authentication: {second_factor: webauthn}',
      'auth_service.authentication.webauthn is required',
    ],
    [
      'a bad severity',
      'gatehouse:\n  log: {severity: LOUD}',
      'gatehouse.log.severity must be one of TRACE, DEBUG, INFO, WARN, ERROR',
    ],
    ['a bad sync', 'gatehouse:\n  storage: {sync: SOMETIMES}', 'gatehouse.storage.sync must be one of FULL'],
  ])('refuses: %s', (_name, text, message) => {
    expect(refusalOf(text)).toMatch(/^INVALID_CONFIG gatehouse\.yaml is not valid:\n/);
    expect(refusalOf(text)).toContain(message);
  });

  it.each([
    ['method: kubernetes', {}, { method: 'kubernetes', tokenName: 'agents', rejoin: false }],
    ['method: kubernetes, rejoin: true', {}, { method: 'kubernetes', tokenName: 'agents', rejoin: true }],
    ['method: kubernetes', { token: 'others' }, { method: 'kubernetes', tokenName: 'others', rejoin: false }],
  ])('ok: join_params {%s} with flags %j', (params, flags, join) => {
    const text = `gatehouse:\n  auth_server: a\n  join_params: {token_name: agents, ${params}}\nauth_service: {enabled: no}`;
    expect(read(text, flags).config.join).toEqual(join);
  });

  it('refuses: all mistakes of a stage at once', () => {
    expect(
      refusalOf('gatehouse:\n  nodname: a\n  log: {severity: x}\nssh_service: {enabled: x}').split('\n'),
    ).toHaveLength(4);
  });

  it.each([
    'gatehouse:\n  auth_token: hunter2-hunter2 x',
    'gatehouse:\n  join_params: hunter2-hunter2',
    'gatehouse:\n  auth_token: [hunter2-hunter2]',
    'auth_service:\n  tokens: ["nodes:hunter2-hunter2"]',
    'auth_service:\n  tokens: ["hunter2-hunter2"]',
    'auth_service: hunter2-hunter2',
    'gatehouse:\n  auth_token: "hunter2-hunter2',
    'gatehouse:\n  auth_token: hunter2: hunter2',
  ])('S36 no message repeats a token: %j', (text) => {
    expect(refusalOf(text)).toContain('INVALID_CONFIG');
    expect(refusalOf(text)).not.toContain('hunter2');
  });
});
