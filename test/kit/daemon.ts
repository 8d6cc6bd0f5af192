// The daemon as a real process, from bin/gatehouse: its log as values, its addresses, its end. Logs are JSON here; a
// configuration that says otherwise is read as text.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.ts';

const BIN = fileURLToPath(new URL('../../bin/', import.meta.url));

export interface DaemonSetup {
  /** Text of the config file. Default: auth and node on free ports of loopback, cluster test.example.com. */
  readonly config?: string;
  /** The same, when it must name the data folder. */
  readonly makeConfig?: (dataDir: string) => string;
  /** Further words of the command line, after `start`. */
  readonly args?: readonly string[];
  /** A folder that outlives the daemon; a temporary one, removed at stop, otherwise. */
  readonly folder?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Words before the command, such as `ip netns exec <name>`; what they start must become the daemon. */
  readonly within?: readonly string[];
}

export interface LogLine {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface TestDaemon {
  readonly pid: number;
  readonly isRunning: boolean;
  readonly folder: string;
  readonly dataDir: string;
  readonly configPath: string;
  /** What it wrote so far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly log: readonly LogLine[];
  readonly ended: Promise<Ended>;
  /** The first line with this message, once it is there; fails when the process ends before. */
  logged(message: string): Promise<LogLine>;
  /** `host:port` of the auth service, once it is ready. */
  authAddress(): Promise<string>;
  /** `http://host:port` of health and metrics. */
  diagnostics(): Promise<string>;
  /** Resolves when /readyz says ok; it must have a diagnostics address. */
  ready(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** TERM, the end, and the temporary folder removed; KILL when it takes longer than 5 s. */
  stop(): Promise<Ended>;
}

/** A config of auth and node on loopback; `more` is appended to the first section, indented by two. */
export function loopbackConfig(dataDir: string, more = '', authPort = 0): string {
  return `version: v3
gatehouse:
  nodename: auth-1
  data_dir: ${dataDir}
  diag_addr: 127.0.0.1:0
  log:
    severity: DEBUG
    format: {output: json}
${more}
auth_service:
  listen_addr: 127.0.0.1:${authPort}
  cluster_name: test.example.com
proxy_service: {enabled: no}
ssh_service:
  listen_addr: 127.0.0.1:0
  labels: {env: test}
`;
}

/** Returns at once; the caller stops it. */
export function startDaemon(setup: DaemonSetup = {}): TestDaemon {
  const folder = setup.folder ?? mkdtempSync(join(tmpdir(), 'gatehouse-daemon-'));
  const dataDir = join(folder, 'data');
  const configPath = join(folder, 'gatehouse.yaml');
  const config = setup.config ?? setup.makeConfig?.(dataDir);
  if (config !== undefined || !existsSync(configPath)) {
    writeFileSync(configPath, config ?? loopbackConfig(dataDir));
  }
  const words = [...(setup.within ?? []), join(BIN, 'gatehouse'), 'start', `--config=${configPath}`];
  const [command = '', ...args] = [...words, ...(setup.args ?? [])];
  const child = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...cleanEnvironment(folder), ...setup.env },
  });
  return new RunningDaemon(child, { folder, dataDir, configPath, isOurs: setup.folder === undefined });
}

/** A home of its own, but the compiled code of this user: making that anew takes a second at each start and end. */
function cleanEnvironment(home: string): Record<string, string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  return { PATH: process.env['PATH'] ?? '', HOME: home, XDG_CACHE_HOME: cache };
}

interface Places {
  readonly folder: string;
  readonly dataDir: string;
  readonly configPath: string;
  readonly isOurs: boolean;
}

class RunningDaemon implements TestDaemon {
  readonly folder: string;
  readonly dataDir: string;
  readonly configPath: string;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #isOurs: boolean;
  #end: Ended | undefined;

  constructor(child: ChildProcess, { folder, dataDir, configPath, isOurs }: Places) {
    this.#child = child;
    this.folder = folder;
    this.dataDir = dataDir;
    this.configPath = configPath;
    this.#isOurs = isOurs;
    child.stdout?.on('data', (part: Buffer) => (this.stdout += part.toString()));
    child.stderr?.on('data', (part: Buffer) => (this.stderr += part.toString()));
    this.ended = new Promise((resolve) =>
      child.once('close', (code, signal) => resolve((this.#end = { code, signal }))),
    );
  }

  get isRunning(): boolean {
    return this.#end === undefined;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get log(): LogLine[] {
    return this.stderr.split('\n').flatMap((line) => {
      try {
        return [JSON.parse(line) as LogLine];
      } catch {
        return [];
      }
    });
  }

  async logged(message: string): Promise<LogLine> {
    return until(`"${message}" in the log`, () => {
      const found = this.log.find((line) => line.message === message);
      if (found === undefined && this.#end !== undefined) {
        throw new Error(
          `the daemon ended (${JSON.stringify(this.#end)}) before "${message}":\n${this.stderr}`,
        );
      }
      return found;
    });
  }

  async authAddress(): Promise<string> {
    return String((await this.logged('the auth service is ready'))['address']);
  }

  async diagnostics(): Promise<string> {
    return `http://${String((await this.logged('health and metrics are served'))['address'])}`;
  }

  async ready(): Promise<void> {
    const url = `${await this.diagnostics()}/readyz`;
    await until(`${url} to be ok`, async () => {
      if (this.#end !== undefined) throw new Error(`the daemon ended before it was ready:\n${this.stderr}`);
      return (await fetch(url).catch(() => undefined))?.ok;
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<Ended> {
    if (this.#end === undefined) this.#child.kill('SIGTERM');
    const late = setTimeout(() => this.#child.kill('SIGKILL'), 5000);
    const end = await this.ended;
    clearTimeout(late);
    if (this.#isOurs) rmSync(this.folder, { recursive: true, force: true });
    return end;
  }
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one of the programs of bin/ to its end. */
export async function runProgram(
  name: 'gatehouse' | 'gatectl' | 'gate',
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  within: readonly string[] = [],
): Promise<Ran> {
  const [command = '', ...words] = [...within, join(BIN, name), ...args];
  const child = spawn(command, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...cleanEnvironment(tmpdir()), ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (part: Buffer) => (stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, stdout, stderr };
}

/** A port of loopback that was free just now: for servers that must come back at the same address. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
