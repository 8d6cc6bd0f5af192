// The real PostgreSQL 15 of Debian in a folder of its own: TLS, client certificates by an authority of the test, nothing
// kept on disk for sure. It refuses to be root, so it runs as the account that Debian's package makes.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './daemon.ts';
import { until } from './until.ts';

const BIN = '/usr/lib/postgresql/15/bin';
const ACCOUNT = 'postgres';

export interface PostgresSetup {
  /** PEM of who may sign client certificates, beside the authority of the server itself. */
  readonly clientAuthorities?: string;
  /** Lines of pg_hba.conf. Default: client certificates over TCP. */
  readonly hba?: string;
  /** Lines of postgresql.conf. */
  readonly settings?: string;
  /** Names in the certificate of the server. Default: localhost. */
  readonly names?: readonly string[];
  /** No certificate: the server speaks in clear. */
  readonly isPlain?: boolean;
}

export interface ClientPair {
  /** Files: certificate and key, PEM. */
  readonly cert: string;
  readonly key: string;
}

export interface TestPostgres {
  readonly port: number;
  /** `127.0.0.1:port`. */
  readonly address: string;
  /** Folder of its local socket, where everybody is let in. */
  readonly socketDir: string;
  /** What its certificate is verified with: PEM, and the file. */
  readonly authority: string;
  readonly authorityFile: string;
  /** Certificate and key of the server. */
  readonly serverPair: ClientPair;
  /** The account it runs as. */
  readonly uid: number;
  /** Client certificates of these authorities (PEM) are taken from now on. */
  trust(authorities: string): void;
  /** A certificate of the server's own authority for that account. */
  clientPair(user: string): ClientPair;
  /** As the superuser, in this database (postgres): what psql prints, unaligned and without headings. */
  sql(text: string, database?: string): string;
  stop(): Promise<void>;
}

const CLIENT_CERTIFICATES = 'local all all trust\nhostssl all all all cert\n';

/** The caller stops it, which removes all. */
export async function startPostgres(setup: PostgresSetup = {}): Promise<TestPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-postgres-'));
  const account = accountIds();
  chmodSync(folder, 0o711);
  const data = join(folder, 'data');
  const socketDir = join(folder, 'socket');
  const certs = join(folder, 'certs');
  for (const path of [data, socketDir, certs]) mkdirSync(path, { mode: 0o700 });
  makeCertificates(certs, setup);
  for (const path of [
    data,
    certs,
    join(certs, 'server.key'),
    join(certs, 'server.crt'),
    join(certs, 'ca.crt'),
  ]) {
    chownSync(path, account.uid, account.gid);
  }
  chmodSync(certs, 0o711);
  chownSync(socketDir, account.uid, account.gid);
  chmodSync(socketDir, 0o755);
  const as = {
    uid: account.uid,
    gid: account.gid,
    cwd: folder,
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
  };
  execFileSync(
    join(BIN, 'initdb'),
    ['-D', data, '-A', 'trust', '-U', ACCOUNT, '--no-sync', '-E', 'UTF8', '--locale=C.UTF-8'],
    { ...as, stdio: 'pipe' },
  );
  const port = await freePort();
  writeFileSync(join(data, 'postgresql.auto.conf'), settings({ port, socketDir, certs }, setup));
  writeFileSync(join(data, 'pg_hba.conf'), setup.hba ?? CLIENT_CERTIFICATES);
  const log: string[] = [];
  const server = spawn(join(BIN, 'postgres'), ['-D', data], { ...as, stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (bytes: Buffer) => void log.push(bytes.toString()));
  }
  try {
    await listening(server, port, log);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    port,
    address: `127.0.0.1:${port}`,
    socketDir,
    authority: readFileSync(join(certs, 'ca.crt'), 'utf8'),
    authorityFile: join(certs, 'ca.crt'),
    serverPair: { cert: join(certs, 'server.crt'), key: join(certs, 'server.key') },
    uid: account.uid,
    trust(authorities) {
      appendFileSync(join(certs, 'clients.crt'), authorities);
      server.kill('SIGHUP');
    },
    clientPair: (user) => clientPair(certs, user),
    sql: (text, database = 'postgres') =>
      execFileSync(
        'psql',
        [
          '-h',
          socketDir,
          '-p',
          String(port),
          '-U',
          ACCOUNT,
          '-d',
          database,
          '-AtqX',
          '-v',
          'ON_ERROR_STOP=1',
        ],
        { input: text, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] },
      ).trimEnd(),
    async stop() {
      if (server.exitCode === null && server.signalCode === null) {
        server.kill('SIGQUIT');
        await once(server, 'exit');
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function accountIds(): { readonly uid: number; readonly gid: number } {
  const id = (flag: string): number => Number(execFileSync('id', [flag, ACCOUNT], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function settings(
  { port, socketDir, certs }: { readonly port: number; readonly socketDir: string; readonly certs: string },
  { isPlain = false, settings: more = '' }: PostgresSetup,
): string {
  const lines = [
    `port = ${port}`,
    "listen_addresses = '127.0.0.1'",
    `unix_socket_directories = '${socketDir}'`,
    'fsync = off',
    'synchronous_commit = off',
    'full_page_writes = off',
    'shared_buffers = 64MB',
    'max_connections = 200',
    'max_prepared_transactions = 2',
  ];
  if (!isPlain) {
    lines.push(
      'ssl = on',
      `ssl_cert_file = '${join(certs, 'server.crt')}'`,
      `ssl_key_file = '${join(certs, 'server.key')}'`,
      `ssl_ca_file = '${join(certs, 'clients.crt')}'`,
    );
  }
  return `${lines.join('\n')}\n${more}\n`;
}

async function listening(server: ChildProcess, port: number, log: readonly string[]): Promise<void> {
  await until(
    'PostgreSQL takes connections',
    () => {
      if (server.exitCode !== null) throw new Error(`PostgreSQL ended: ${log.join('')}`);
      if (!log.join('').includes('ready to accept connections')) return false;
      return new Promise<boolean>((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy();
          resolve(true);
        });
        socket.on('error', () => resolve(false));
      });
    },
    60_000,
  );
}

function makeCertificates(
  folder: string,
  { names = ['localhost'], clientAuthorities = '' }: PostgresSetup,
): void {
  const at = (name: string): string => join(folder, name);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl([
    'req',
    '-x509',
    ...key,
    '-keyout',
    at('ca.key'),
    '-out',
    at('ca.crt'),
    '-days',
    '2',
    '-subj',
    '/CN=test db CA',
  ]);
  openssl(['req', ...key, '-keyout', at('server.key'), '-out', at('server.csr'), '-subj', '/CN=database']);
  const addresses = [...names.map((name) => `DNS:${name}`), 'IP:127.0.0.1'];
  writeFileSync(at('server.ext'), `subjectAltName=${addresses.join(',')}\n`);
  sign(folder, 'server', ['-extfile', at('server.ext')]);
  writeFileSync(at('clients.crt'), `${readFileSync(at('ca.crt'), 'utf8')}${clientAuthorities}`);
  chmodSync(at('server.key'), 0o600);
}

function clientPair(folder: string, user: string): ClientPair {
  const name = `client-${Buffer.from(user).toString('hex')}`;
  const at = (end: string): string => join(folder, `${name}.${end}`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl([
    'req',
    ...key,
    '-utf8',
    '-keyout',
    at('key'),
    '-out',
    at('csr'),
    '-subj',
    `/CN=${user.replaceAll('\\', '\\\\').replaceAll('/', '\\/')}`,
  ]);
  sign(folder, name, []);
  chmodSync(at('key'), 0o600);
  return { cert: at('crt'), key: at('key') };
}

function sign(folder: string, name: string, more: readonly string[]): void {
  const at = (file: string): string => join(folder, file);
  const from = ['-in', at(`${name}.csr`), '-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial'];
  openssl(['x509', '-req', ...from, '-out', at(`${name}.crt`), '-days', '2', ...more]);
}

function openssl(words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: 'pipe' });
}
