// Where the API server is and how a caller proves itself to it. Two ways: from inside a pod, by the files of its
// ServiceAccount (here), and from a kubeconfig file (kubeconfig.ts, loaded only when there is one).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { ACCOUNT_DIR, apiServerOf, requireAuthority } from '#core/pod.ts';
import { Secret } from '#core/secret.ts';

export interface CallCredentials {
  readonly authorization?: Secret | undefined;
  readonly ca?: string | Buffer | undefined;
  readonly cert?: string | Buffer | undefined;
  readonly key?: Secret<string | Buffer> | undefined;
  readonly serverName?: string | undefined;
}

export interface ApiServer {
  readonly host: string;
  readonly port: number;
  /** Before every path; empty, or begins with a slash and ends without. */
  readonly basePath: string;
  /** For the next call; UNAVAILABLE when they cannot be had. `isRefused`: the last ones were not taken. */
  credentials(isRefused: boolean): Promise<CallCredentials>;
}

/** The kubelet renews the token long before it ends. */
const READ_AGAIN_MS = 60_000;

export interface InClusterOptions {
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Default: where the kubelet puts it. */
  readonly accountDir?: string | undefined;
}

/** Undefined outside of a pod; INVALID_CONFIG when its environment names no port. */
export function inCluster(options: InClusterOptions): ApiServer | undefined {
  const { clock, environment, accountDir = ACCOUNT_DIR } = options;
  const address = apiServerOf(environment);
  if (address === undefined) return undefined;
  let kept: { readonly credentials: CallCredentials; readonly at: number } | undefined;
  return {
    ...address,
    basePath: '',
    async credentials(isRefused) {
      const now = clock.now();
      if (kept !== undefined && !isRefused && Math.abs(now - kept.at) < READ_AGAIN_MS)
        return kept.credentials;
      kept = { credentials: await readAccount(accountDir), at: now };
      return kept.credentials;
    },
  };
}

async function readAccount(folder: string): Promise<CallCredentials> {
  const [token = '', ca = ''] = await Promise.all(
    ['token', 'ca.crt'].map((file) => readAccountFile(folder, file)),
  );
  return { authorization: new Secret(`Bearer ${token.trim()}`), ca: requireAuthority(ca) };
}

async function readAccountFile(folder: string, file: string): Promise<string> {
  try {
    return await readFile(join(folder, file), 'utf8');
  } catch (cause) {
    throw new GatehouseError(
      'UNAVAILABLE',
      `the files of the ServiceAccount in ${folder} cannot be read; does the pod have automountServiceAccountToken?`,
      { cause },
    );
  }
}
