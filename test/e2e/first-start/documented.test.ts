// What the admin manual prints, used as it is printed: the configuration (with its ports moved to free ones), and the
// commands of the daemon.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { selfSignedServer } from '#core/certs/x509/self-signed.ts';
import { runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { until } from '#test/kit/until.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-documented-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MANUAL = (dataDir: string): string => `teleport:
  nodename: NODE_NAME
  data_dir: ${dataDir}
  auth_token: xxxx-token-xxxx
  ca_pin: "sha256:ca-pin-hash-goes-here"
  auth_servers:
      - 10.1.0.5:3025
      - 10.1.0.6:3025
  log:
    output: stderr
    severity: INFO
  # Not in the manual: where this test looks.
  diag_addr: 127.0.0.1:0

auth_service:
  enabled: "yes"
  cluster_name: "teleport-aws-us-east-1"
  listen_addr: 127.0.0.1:0
  tokens:
  - proxy,node:xxxx-token-xxxx
  authentication:
    type: local
    second_factor: otp
ssh_service:
  enabled: "yes"
  listen_addr: 127.0.0.1:0
  labels:
    teleport: static-label-example
  commands:
  - name: hostname
    command: [/bin/hostname]
    period: 1m0s
  - name: arch
    command: [/bin/uname, -p]
    period: 1h0m0s
proxy_service:
  enabled: "yes"
  listen_addr: 127.0.0.1:0
  web_listen_addr: 127.0.0.1:0
  tunnel_listen_addr: 127.0.0.1:0
  public_addr: TELEPORT_PUBLIC_DNS_NAME:3080
  https_keypairs:
    - key_file: ${join(dataDir, '..', 'webproxy_key.pem')}
      cert_file: ${join(dataDir, '..', 'webproxy_cert.pem')}
`;

/** What an admin brings along for the web port. */
function writeWebPair(place: string): void {
  const { privateKey } = generateKeyPair('ecdsa-p256');
  const der = selfSignedServer({
    privateKey,
    commonName: 'teleport.example.com',
    dnsNames: ['teleport.example.com'],
    ipAddresses: [],
    notBefore: Date.now() - 60_000,
    notAfter: Date.now() + 86_400_000 * 30,
  });
  writeFileSync(join(place, 'webproxy_key.pem'), privateKeyPem(privateKey).reveal());
  writeFileSync(join(place, 'webproxy_cert.pem'), certificateToPem(der));
}

describe('the sample configuration of the manual', () => {
  let daemon: TestDaemon;
  beforeAll(() => {
    const place = join(folder, 'manual');
    mkdirSync(place);
    writeWebPair(place);
    daemon = startDaemon({ folder: place, config: MANUAL(join(place, 'data')) });
  });
  afterAll(() => daemon.stop());

  test('ok: it starts, and says once what is not in force', async () => {
    await until('the start', () => daemon.stderr.includes('the cluster knows this machine'));
    for (const part of ['setting:teleport.ca_pin', 'use it and no other']) {
      expect(
        daemon.stderr.split('\n').filter((line) => line.includes('WARN') && line.includes(part)).length,
      ).toBe(1);
    }
    expect(daemon.stderr).not.toContain('xxxx-token-xxxx');
    const nodes = await runProgram('gatectl', [`--config=${daemon.configPath}`, 'nodes', 'ls']);
    expect(nodes.stdout).toMatch(/^NODE_NAME .*hostname:\S+,teleport:static-label-example$/m);
  });

  test('ok: its static token lets a node in', async () => {
    const address = /ready address:(127\.0\.0\.1:\d+)/.exec(daemon.stderr)?.[1] ?? '';
    const place = join(folder, 'static');
    mkdirSync(place);
    const node = startDaemon({
      folder: place,
      config: `teleport:\n  nodename: other\n  data_dir: ${join(place, 'data')}\n  diag_addr: 127.0.0.1:0\n  log: {format: {output: json}}\n`,
      args: ['--roles=node', '--token=xxxx-token-xxxx', `--auth-server=${address}`],
    });
    try {
      await node.ready();
    } finally {
      await node.stop();
    }
  });
});

describe('commands of the daemon', () => {
  test('ok: configure prints a file that starts, and writes it once', async () => {
    const printed = await runProgram('gatehouse', ['configure', '--cluster-name=main.example.com']);
    expect(printed).toMatchObject({ code: 0, stderr: '' });
    const path = join(folder, 'gatehouse.yaml');
    const data = join(folder, 'configured');
    const flags = [
      'configure',
      '--cluster-name=main.example.com',
      `--data-dir=${data}`,
      `--output=file://${path}`,
    ];
    const wrote = await runProgram('gatehouse', flags);
    expect(wrote).toMatchObject({ code: 0, stdout: '' });
    expect(wrote.stderr).toContain(`gatehouse start --config=${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, 'utf8')).toContain('cluster_name: "main.example.com"');
    const again = await runProgram('gatehouse', flags);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain(path);
    const other = await runProgram('gatehouse', ['configure', '-o', path]);
    expect(other.code).toBe(1);
    const bad = await runProgram('gatehouse', ['configure', '--cluster-name=no good']);
    expect(bad.code).toBe(2);
    expect(bad.stderr).toContain('cluster_name');
  });

  test('ok: version, in words and as JSON', async () => {
    expect((await runProgram('gatehouse', ['version'])).stdout).toMatch(
      /^Gatehouse v\d+\.\d+\.\d+ node v24\.\d+\.\d+\n$/,
    );
    const json = await runProgram('gatehouse', ['version', '--format=json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ version: expect.any(String) as string });
  });

  test('ok: help names every command, and status says where it works', async () => {
    const help = await runProgram('gatehouse', ['help']);
    expect(help.code).toBe(0);
    for (const word of ['start', 'configure', 'install', 'status', 'version'])
      expect(help.stdout).toContain(word);
    const start = await runProgram('gatehouse', ['start', '--help']);
    for (const flag of [
      'config',
      'roles',
      'token',
      'ca-pin',
      'auth-server',
      'labels',
      'nodename',
      'data-dir',
    ]) {
      expect(start.stdout).toContain(`--${flag}`);
    }
    const status = await runProgram('gatehouse', ['status']);
    expect(status.code).toBe(1);
    expect(status.stderr).toContain('gatectl status');
    const insecure = await runProgram('gatehouse', ['start', '--insecure']);
    expect(insecure.code).toBe(1);
    expect(insecure.stderr).toContain('--ca-pin');
  });

  test('ok: install systemd prints a unit with the documented lines, whatever the paths hold', async () => {
    const unit = await runProgram('gatehouse', ['install', 'systemd']);
    expect(unit.stdout).toMatch(
      /^ExecStart=\/\S+\/bin\/gatehouse start --config=\/etc\/gatehouse\.yaml --pid-file=\/run\/gatehouse\.pid$/m,
    );
    for (const line of ['Type=simple', 'Restart=on-failure', 'ExecReload=/bin/kill -HUP $MAINPID']) {
      expect(unit.stdout.split('\n')).toContain(line);
    }
    const odd = await runProgram('gatehouse', ['install', 'systemd', '--config=/etc/a b%c"d$e.yaml']);
    expect(odd.stdout).toContain(String.raw`start "--config=/etc/a b%%c\"d$$e.yaml"`);
    const evil = await runProgram('gatehouse', [
      'install',
      'systemd',
      '--config=/etc/a\nExecStartPre=/bin/evil',
    ]);
    expect(evil.code).toBe(2);
    const path = join(folder, 'gatehouse.service');
    expect((await runProgram('gatehouse', ['install', 'systemd', '-o', path])).code).toBe(0);
    expect((await runProgram('gatehouse', ['install', 'systemd', '-o', path])).code).toBe(1);
  });

  test('ok: an older node on the PATH does not matter, nor does a working folder that is gone', async () => {
    const old = join(folder, 'old');
    mkdirSync(old);
    writeFileSync(join(old, 'node'), '#!/bin/sh\necho v12.0.0; exit 3\n');
    chmodSync(join(old, 'node'), 0o755);
    symlinkSync(join(old, 'node'), join(old, 'nodejs'));
    const ran = await runProgram('gatehouse', ['version'], { PATH: `${old}:/usr/bin:/bin` });
    expect(ran.stdout).toMatch(/node v24\./);
  });
});
