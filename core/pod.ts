// What a process in a pod of Kubernetes is told by its kubelet: where the API server is, and where the files of its
// ServiceAccount lie. Pure, and here because the operator, auth and agents each have a way of their own to that server.
import { GatehouseError } from './errors/error.ts';

/** Has `token` and `ca.crt`, both of which are replaced under the process. */
export const ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface ApiServerAddress {
  readonly host: string;
  readonly port: number;
}

/** Undefined outside of a pod; INVALID_CONFIG when the port is none. */
export function apiServerOf(
  environment: Readonly<Record<string, string | undefined>>,
): ApiServerAddress | undefined {
  const host = environment['KUBERNETES_SERVICE_HOST'];
  if (host === undefined || host === '') return undefined;
  const said = environment['KUBERNETES_SERVICE_PORT'] ?? '443';
  const port = Number(said);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return { host, port };
  throw new GatehouseError(
    'INVALID_CONFIG',
    `KUBERNETES_SERVICE_PORT (${said.slice(0, 80)}) is no port; correct the pod`,
  );
}

/** What `ca.crt` says, unless it is empty: then Node would take the word of any public authority. UNAVAILABLE. */
export function requireAuthority(pem: string): string {
  if (pem.trim() !== '') return pem;
  throw new GatehouseError('UNAVAILABLE', 'the authority of the API server (ca.crt) is empty');
}
