// Which application a host name means, and under which address browsers reach one: its public address, or its name below
// that of the proxy. Each has an origin of its own, so that none can read or act in another. Pure over the view.
import type { ClusterView } from '#client/cluster-view.ts';
import { parseAddress } from '#config/address.ts';
import type { Resource } from '#core/resource.ts';
import type { AppSpec } from '#kinds/app/kind.ts';

export interface AppOriginsOptions {
  readonly view: Pick<ClusterView, 'isReady' | 'appServersAt' | 'appServersOf' | 'appServers'>;
  /** `host:port` of the web port as people dial it, the main one first. */
  readonly publicAddrs: () => readonly string[];
}

const HTTPS = 443;
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

export class AppOrigins {
  readonly #options: AppOriginsOptions;

  constructor(options: AppOriginsOptions) {
    this.#options = options;
  }

  /**
   * The name of the application at a host (without a port); '' for a place where only applications are, and none is
   * there, or more than one says so; undefined for hosts of the proxy itself and all others. Agents say of themselves
   * where their applications are: none gets the proxy's own name, nor that of another application below it.
   */
  appAt(host: string): string | undefined {
    const own = this.#ownHosts();
    if (own.includes(host) || !this.#options.view.isReady()) return undefined;
    const dot = host.indexOf('.');
    const label = host.slice(0, Math.max(0, dot));
    const isBelow = own.includes(host.slice(dot + 1)) && LABEL.test(label);
    if (isBelow && this.document(label) !== undefined) return label;
    const [name, ...others] = this.claimants(host);
    if (name === undefined) return isBelow ? '' : undefined;
    return others.length === 0 ? name : '';
  }

  /** Applications that have this host as their public address: one, unless agents contradict each other. */
  claimants(host: string): readonly string[] {
    const servers = this.#options.view.appServersAt(host);
    return [...new Set(servers.map(({ spec }) => spec.app.metadata.name))];
  }

  /** What an agent says of it; several agents of one name say the same, or the first counts. */
  document(name: string): Resource<AppSpec> | undefined {
    return this.#options.view.appServersOf(name)[0]?.spec.app;
  }

  /** `https://host[:port]`, without a slash. */
  urlOf(app: Resource<AppSpec>): string {
    const { host, port } = parseAddress(this.#options.publicAddrs()[0] ?? '', HTTPS);
    const name = app.spec.public_addr || `${app.metadata.name}.${host}`;
    return `https://${name}${port === HTTPS ? '' : `:${port}`}`;
  }

  /** The same for the web page of the proxy. */
  webUrl(): string {
    const { host, port } = parseAddress(this.#options.publicAddrs()[0] ?? '', HTTPS);
    return `https://${host.includes(':') ? `[${host}]` : host}${port === HTTPS ? '' : `:${port}`}`;
  }

  #ownHosts(): readonly string[] {
    return this.#options.publicAddrs().map((address) => parseAddress(address, HTTPS).host.toLowerCase());
  }
}

/** Without the port, in lower case. */
export function hostName(host: string): string {
  return host.replace(/:\d*$/, '').toLowerCase();
}
