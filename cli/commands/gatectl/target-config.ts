// The config file of a machine that joins to serve databases or applications: an example ready to be edited, printed with
// its token. Pure.
import { formatYaml } from '../../format/data.ts';

export interface TargetConfigParts {
  readonly roles: readonly string[];
  readonly token: string;
  readonly caPins: readonly string[];
  /** `host:port`. */
  readonly address: string;
  /** The address is that of a proxy, and not of the auth service. */
  readonly isProxy: boolean;
}

const DATABASES = [
  { name: 'example', protocol: 'postgres', uri: 'localhost:5432', static_labels: { env: 'dev' } },
];
const APPS = [{ name: 'example', uri: 'http://localhost:8080', labels: { env: 'dev' } }];

/** For roles of which one is `db` or `app`. */
export function targetConfig({ roles, token, caPins, address, isProxy }: TargetConfigParts): string {
  return formatYaml({
    version: 'v3',
    gatehouse: {
      auth_token: token,
      ca_pin: caPins,
      [isProxy ? 'proxy_server' : 'auth_server']: address,
    },
    auth_service: { enabled: 'no' },
    proxy_service: { enabled: 'no' },
    ssh_service: { enabled: roles.includes('node') ? 'yes' : 'no' },
    ...(roles.includes('db') ? { db_service: { enabled: 'yes', databases: DATABASES } } : {}),
    ...(roles.includes('app') ? { app_service: { enabled: 'yes', apps: APPS } } : {}),
  });
}
