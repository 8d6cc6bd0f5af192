// The API server of a kubeconfig file, by the field's own client, which knows all its ways to log in. Only from here, and
// only when there is such a file: loading it costs 85 MB, and the image leaves it out.
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import type { ApiServer } from './api-server.ts';

/** The current context of the file; paths as KUBECONFIG has them. INVALID_CONFIG when there is none, or it skips verification. */
export async function fromKubeconfig(): Promise<ApiServer> {
  const { KubeConfig } = await import('@kubernetes/client-node').catch((cause: unknown) => {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      'KUBECONFIG is read outside of the image only: the package @kubernetes/client-node is not here',
      { cause },
    );
  });
  const config = new KubeConfig();
  try {
    config.loadFromDefault();
  } catch (cause) {
    throw new GatehouseError('INVALID_CONFIG', 'the kubeconfig file cannot be read', { cause });
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null)
    throw new GatehouseError('INVALID_CONFIG', 'the kubeconfig file has no current context with a cluster');
  if (cluster.skipTLSVerify === true) {
    throw new GatehouseError(
      'INVALID_CONFIG',
      'the kubeconfig file skips verification of the API server, which is not offered: give certificate-authority',
    );
  }
  const url = new URL(cluster.server);
  if (url.protocol !== 'https:')
    throw new GatehouseError(
      'INVALID_CONFIG',
      'the API server of the kubeconfig file is not an https address',
    );
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port === '' ? 443 : url.port),
    basePath: url.pathname.replace(/\/+$/, ''),
    async credentials() {
      const options: Parameters<typeof config.applyToHTTPSOptions>[0] = {};
      try {
        // Runs plug-ins when what they gave has expired.
        await config.applyToHTTPSOptions(options);
      } catch (cause) {
        throw new GatehouseError('UNAVAILABLE', 'the credentials of the kubeconfig file cannot be had', {
          cause,
        });
      }
      const headers = (options.headers ?? {}) as Readonly<Record<string, unknown>>;
      const bearer = headers['Authorization'];
      const basic =
        typeof options.auth === 'string'
          ? `Basic ${Buffer.from(options.auth).toString('base64')}`
          : undefined;
      const authorization = typeof bearer === 'string' ? bearer : basic;
      return {
        authorization: authorization === undefined ? undefined : new Secret(authorization),
        ca: options.ca as string | Buffer | undefined,
        cert: options.cert as string | Buffer | undefined,
        key: options.key === undefined ? undefined : new Secret(options.key as string | Buffer),
        serverName: cluster.tlsServerName,
      };
    },
  };
}
