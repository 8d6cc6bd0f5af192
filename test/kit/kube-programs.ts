// The programs of Kubernetes for tests: built by hack/cluster when they are not there yet, and run to their end. Separate
// because an API server alone and a whole cluster both need them.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BUILD = fileURLToPath(new URL('../../hack/cluster/build.sh', import.meta.url));

export interface Run {
  readonly stdin?: string | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly cwd?: string | undefined;
  /** What goes to stderr is passed on as it comes, for what takes minutes. */
  readonly showProgress?: boolean;
}

/** What it wrote to stdout; rejects with the command and its stderr when it does not end with 0. */
export async function run(command: string, args: readonly string[], setup: Run = {}): Promise<string> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, ...setup.env },
    cwd: setup.cwd,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    stderr += part;
    if (setup.showProgress === true) process.stderr.write(part);
  });
  // A program that needs no input may end before it was all written.
  child.stdin.on('error', () => undefined).end(setup.stdin ?? '');
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ')} ended with ${String(code)}: ${stderr || stdout}`);
  return stdout;
}

/**
 * The folder with at least these programs (names as in hack/cluster/places.sh). Builds them the first time, which takes
 * minutes: give the hook that calls this KUBE_START_MS. Two processes do not build twice.
 */
export async function kubePrograms(...names: readonly string[]): Promise<string> {
  return (await run(BUILD, names, { showProgress: true })).trim();
}

/** Timeout of a hook that may be the first to need the programs on a machine. */
export const KUBE_START_MS = 40 * 60_000;
