// Databases and applications with real processes: everything in one, and an agent that knows nothing but the web port of a
// proxy. Whether the road leads to the right engine is seen by what the engine answers: its targets are not there.
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, expect, it } from 'vitest';
import { generateKeyPair, privateKeyPem } from '#core/certs/x509/keys.ts';
import { freePort, runProgram, startDaemon, type TestDaemon } from '#test/kit/daemon.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { startupPacket } from '#wire/postgres/write.ts';

const folder = tempFolder();
/** For a machine with much to do. */
const PATIENCE_MS = 60_000;
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

function run(name: string, more: string): TestDaemon {
  const config = `version: v3
gatehouse:
  nodename: ${name}
  data_dir: ${join(folder, name)}
  diag_addr: 127.0.0.1:0
  log: {severity: DEBUG, format: {output: json}}
${more}`;
  const daemon = startDaemon({ config });
  closing.push(() => daemon.stop());
  return daemon;
}

/** Nobody listens there. */
const targets = (suffix: string, nowhere: number): string => `db_service:
  enabled: yes
  databases:
  - {name: orders${suffix}, protocol: postgres, uri: "127.0.0.1:${nowhere}", static_labels: {env: test}}
app_service:
  enabled: yes
  apps:
  - {name: wiki${suffix}, uri: "http://127.0.0.1:${nowhere}", labels: {env: test}}
`;

async function gatectl(door: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram('gatectl', [`--config=${door.configPath}`, ...args]);
  if (code !== 0) throw new Error(`gatectl ${args.join(' ')}: ${stderr}`);
  return stdout;
}

interface Person {
  readonly cert: string;
  readonly key: string;
}

async function person(door: TestDaemon): Promise<Person> {
  writeFileSync(
    join(folder, 'joe.yaml'),
    `kind: role
version: v5
metadata: {name: dba}
spec: {allow: {db_labels: {'*': '*'}, db_users: [alice], db_names: [main], app_labels: {'*': '*'}}}
---
kind: user
version: v2
metadata: {name: joe}
spec: {roles: [dba]}
`,
  );
  await gatectl(door, 'create', '-f', join(folder, 'joe.yaml'));
  await gatectl(door, 'auth', 'sign', '--user=joe', '--format=tls', `--out=${join(folder, 'joe')}`);
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
  return { cert: read('joe.crt'), key: read('joe.key') };
}

async function certificateFor(auth: string, { cert, key }: Person, target: object): Promise<Person> {
  const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
  const body = JSON.stringify({
    ...target,
    tls_public_key: publicKey.export({ type: 'spki', format: 'pem' }),
  });
  const [host, port] = auth.split(':');
  const answer = await new Promise<string>((resolve, reject) => {
    const call = request(
      { host, port, method: 'POST', path: '/v1/certificates/target', cert, key, rejectUnauthorized: false },
      (response) => {
        let text = '';
        response.on('data', (data) => (text += String(data)));
        response.once('end', () => resolve(text));
      },
    );
    call.setHeader('content-type', 'application/json');
    call.once('error', reject);
    call.end(body);
  });
  const { tls_certificate: certificate } = JSON.parse(answer) as { tls_certificate?: string };
  if (certificate === undefined) throw new Error(answer);
  return { cert: certificate, key: privateKeyPem(privateKey).reveal() };
}

function ask(web: number, { cert, key }: Person, protocol: string, bytes: Uint8Array): Promise<string> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: web,
    ALPNProtocols: [protocol],
    cert,
    key,
    rejectUnauthorized: false,
  });
  closing.push(() => socket.destroy());
  socket.write(bytes);
  return new Promise((resolve, reject) => {
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (protocol === 'gatehouse-app') resolve(text);
    });
    socket.once('error', reject);
    socket.once('end', () => resolve(text));
  });
}

it('ok: all services in one process, and an agent apart, reached through one port', async () => {
  const [web, nowhere] = [await freePort(), await freePort()];
  const door = run(
    'door',
    `auth_service:
  listen_addr: 127.0.0.1:0
  cluster_name: test.example.com
  tokens: ["db,app:a-secret-token"]
proxy_service:
  web_listen_addr: 127.0.0.1:${web}
  public_addr: 127.0.0.1:${web}
ssh_service: {listen_addr: 127.0.0.1:0}
${targets('', nowhere)}`,
  );
  await door.ready();
  const pin = /sha256:[0-9a-f]{64}/.exec(await gatectl(door, 'status'))?.[0] ?? '';
  const far = run(
    'far',
    `  proxy_server: 127.0.0.1:${web}
  auth_token: a-secret-token
  ca_pin: "${pin}"
auth_service: {enabled: no}
proxy_service: {enabled: no}
ssh_service: {enabled: no}
${targets('-far', nowhere)}`,
  );
  await far.ready();
  const joe = await person(door);
  const auth = await door.authAddress();
  const startup = startupPacket([
    ['user', 'alice'],
    ['database', 'main'],
  ]);
  const get = Buffer.from('GET / HTTP/1.1\r\nhost: wiki\r\n\r\n');
  for (const suffix of ['', '-far']) {
    const db = await until(
      'the database is known',
      () => certificateFor(auth, joe, { database: { service: `orders${suffix}` } }).catch(() => undefined),
      PATIENCE_MS,
    );
    expect(await ask(web, db, 'gatehouse-db', startup)).toMatch(/^E.*FATAL.*nothing listens there/s);
    const app = await until(
      'the application is known',
      () => certificateFor(auth, joe, { app: { name: `wiki${suffix}` } }).catch(() => undefined),
      PATIENCE_MS,
    );
    expect(await ask(web, app, 'gatehouse-app', get)).toMatch(/^HTTP\/1\.1 50\d/);
  }
  const names = (await gatectl(door, 'get', 'db_servers', '--format=json')).match(/"orders[^"]*"/g) ?? [];
  expect(new Set(names).size).toBeGreaterThanOrEqual(2);
}, 240_000);
