// Finds the API server and opens the way to it.
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { inCluster, type ApiServer } from './api-server.ts';
import { HttpKube } from './client.ts';
import type { Kube, ObjectType } from './kube.ts';
import { Transport, type ObserveCall } from './transport.ts';

export interface ConnectOptions {
  readonly clock: Clock;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Custom resources besides the types that come with Kubernetes. */
  readonly types: readonly ObjectType[];
  /** Told to the API server and in its audit log. */
  readonly version: string;
  readonly observe: ObserveCall;
  /** In place of what the environment says. */
  readonly server?: ApiServer | undefined;
}

export interface ConnectedKube extends Kube {
  /** Ends open connections; calls that are under way fail. */
  close(): void;
}

/**
 * By KUBECONFIG when it is set, else as the pod this runs in. Makes no call yet. INVALID_CONFIG when there is neither, or
 * the file cannot be used; NOT_SUPPORTED for a file where its reader was left out.
 */
export async function connectKube(options: ConnectOptions): Promise<ConnectedKube> {
  const { clock, types, version, observe } = options;
  const server = options.server ?? (await findServer(options));
  const transport = new Transport({ server, clock, observe, userAgent: `gatehouse-operator/${version}` });
  return Object.assign(new HttpKube(transport, clock, types), { close: () => transport.close() });
}

async function findServer({ clock, environment }: ConnectOptions): Promise<ApiServer> {
  if ((environment['KUBECONFIG'] ?? '') !== '') {
    const { fromKubeconfig } = await import('./kubeconfig.ts');
    return fromKubeconfig();
  }
  const server = inCluster({ clock, environment });
  if (server !== undefined) return server;
  throw new GatehouseError(
    'INVALID_CONFIG',
    'this is no pod of Kubernetes: set KUBECONFIG to the file that leads to the cluster',
  );
}
