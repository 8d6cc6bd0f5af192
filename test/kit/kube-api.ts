// A real kube-apiserver with its own etcd on loopback, and nothing else of Kubernetes: objects are kept, validated and
// served, but nobody acts on them. So no default ServiceAccounts, no garbage collection, and a deleted namespace stays
// Terminating: tests use names of their own. One per test file; it ends with the process that started it.
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { createServer, type AddressInfo } from 'node:net';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { kubePrograms, run } from './kube-programs.ts';
import { until } from './until.ts';

const READY_MS = 180_000;

export interface KubeApi {
  /** `https://127.0.0.1:port`; also the issuer of its service account tokens. */
  readonly url: string;
  readonly port: number;
  /** What `url` is verified with. */
  readonly caPem: string;
  readonly caPath: string;
  /** Bearer token of a member of system:masters. */
  readonly adminToken: string;
  /** For the same admin. */
  readonly kubeconfigPath: string;
  /** Its temporary folder; tests may put files there. */
  readonly folder: string;
  /** As admin; what it printed, or a rejection with its stderr. */
  kubectl(args: readonly string[], stdin?: string): Promise<string>;
  /** The API server goes away abruptly; what it stored stays. Resolves when it is gone. */
  stop(): Promise<void>;
  /** The API server comes back at the same address (ended first when it runs). Resolves when it is ready. */
  restart(): Promise<void>;
  /** Ends both processes and removes the folder. Repeatable. */
  close(): Promise<void>;
}

export interface KubeApiSetup {
  /** Keeps what the processes write, in this file; thrown away otherwise. */
  readonly log?: string;
}

/** Resolves when it is ready; the caller closes it. The first call on a machine builds for minutes (KUBE_START_MS). */
export async function startKubeApi(setup: KubeApiSetup = {}): Promise<KubeApi> {
  const bin = await kubePrograms('kube-apiserver', 'etcd', 'kubectl');
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-kube-'));
  const api = new LocalKubeApi(bin, folder, await freePorts(3), setup.log);
  try {
    await api.makeKeys();
    await api.start();
  } catch (error) {
    await api.close();
    throw error;
  }
  return api;
}

class LocalKubeApi implements KubeApi {
  readonly url: string;
  readonly port: number;
  readonly adminToken = randomBytes(24).toString('hex');
  readonly kubeconfigPath: string;
  readonly caPath: string;
  readonly folder: string;
  caPem = '';
  readonly #bin: string;
  readonly #ports: readonly number[];
  readonly #logPath: string;
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  constructor(bin: string, folder: string, ports: readonly number[], log: string | undefined) {
    this.#bin = bin;
    this.#ports = ports;
    this.port = ports[0] ?? 0;
    this.url = `https://127.0.0.1:${this.port}`;
    this.folder = folder;
    this.kubeconfigPath = join(folder, 'admin.kubeconfig');
    this.caPath = join(folder, 'server.crt');
    this.#logPath = log ?? join(folder, 'log');
  }

  /** One certificate is authority and server at once; service account tokens are signed with RSA, as by EKS. */
  async makeKeys(): Promise<void> {
    const files = { cwd: this.folder };
    const san = 'subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc';
    const self = [
      '-x509',
      '-nodes',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-days',
      '2',
    ];
    const out = [
      '-subj',
      '/CN=kube-apiserver',
      '-addext',
      san,
      '-keyout',
      'server.key',
      '-out',
      'server.crt',
    ];
    await run('openssl', ['req', ...self, ...out], files);
    await run('openssl', ['genrsa', '-out', 'sa.key', '2048'], files);
    this.caPem = readFileSync(this.caPath, 'utf8');
    writeFileSync(join(this.folder, 'tokens.csv'), `${this.adminToken},admin,admin,system:masters\n`);
    writeFileSync(this.kubeconfigPath, this.#kubeconfig(), { mode: 0o600 });
  }

  async start(): Promise<void> {
    const [, client = 0, peer = 0] = this.#ports;
    const [clientUrl, peerUrl] = [`http://127.0.0.1:${client}`, `http://127.0.0.1:${peer}`];
    this.#etcd ??= this.#spawn('etcd', [
      '--name=main',
      `--data-dir=${join(this.folder, 'etcd')}`,
      `--listen-client-urls=${clientUrl}`,
      `--advertise-client-urls=${clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=main=${peerUrl}`,
      '--unsafe-no-fsync',
      '--log-level=error',
    ]);
    this.#server = this.#spawn('kube-apiserver', this.#serverFlags(clientUrl));
    await until('the API server to be ready', () => this.#isReady(), READY_MS);
    await until('the default namespace', () => this.#answers('/api/v1/namespaces/default'), READY_MS);
  }

  async stop(): Promise<void> {
    await end(this.#server);
    this.#server = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async close(): Promise<void> {
    await this.stop();
    await end(this.#etcd);
    rmSync(this.folder, { recursive: true, force: true });
  }

  kubectl(args: readonly string[], stdin?: string): Promise<string> {
    const env = { KUBECONFIG: this.kubeconfigPath, KUBECACHEDIR: join(this.folder, 'kubectl') };
    return run(join(this.#bin, 'kubectl'), args, { stdin, env });
  }

  #serverFlags(etcd: string): string[] {
    return [
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--secure-port=${this.port}`,
      `--etcd-servers=${etcd}`,
      '--endpoint-reconciler-type=none',
      '--tls-cert-file=server.crt',
      '--tls-private-key-file=server.key',
      '--token-auth-file=tokens.csv',
      '--authorization-mode=RBAC',
      '--disable-admission-plugins=ServiceAccount',
      '--service-cluster-ip-range=10.0.0.0/24',
      `--service-account-issuer=${this.url}`,
      `--service-account-jwks-uri=${this.url}/openid/v1/jwks`,
      '--service-account-signing-key-file=sa.key',
      '--service-account-key-file=sa.key',
      '--allow-privileged=true',
      '--profiling=false',
    ];
  }

  /** The kernel ends it with this process, however that ends. */
  #spawn(program: string, args: readonly string[]): ChildProcess {
    const words = ['--pdeathsig', 'KILL', '--', join(this.#bin, program), ...args];
    const child = spawn('setpriv', words, { cwd: this.folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(this.#logPath, { flags: 'a' });
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    return child;
  }

  async #isReady(): Promise<boolean> {
    for (const child of [this.#etcd, this.#server]) {
      if (child !== undefined && hasEnded(child)) {
        const tail = readFileSync(this.#logPath, 'utf8').split('\n').slice(-12).join('\n');
        throw new Error(`${child.spawnargs[4] ?? ''} ended before it was ready:\n${tail}`);
      }
    }
    return this.#answers('/readyz');
  }

  async #answers(path: string): Promise<boolean> {
    const headers = { authorization: `Bearer ${this.adminToken}` };
    return new Promise((resolve) => {
      const options = { ca: this.caPem, headers, timeout: 5000, agent: false };
      const request = get(this.url + path, options, (response) => {
        response.resume().once('close', () => resolve(response.statusCode === 200));
      });
      request.once('error', () => resolve(false)).once('timeout', () => request.destroy());
    });
  }

  #kubeconfig(): string {
    const ca = Buffer.from(this.caPem).toString('base64');
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster: { server: this.url, 'certificate-authority-data': ca } }],
      users: [{ name: 'admin', user: { token: this.adminToken } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
    });
  }
}

const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || hasEnded(child)) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** All held at once, so that they differ. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
