// Which application a host name means, also when agents say of it what they should not.
import { describe, expect, it } from 'vitest';
import type { Resource } from '#core/resource.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import { AppOrigins } from './origins.ts';

type Server = Resource<AppServerSpec>;

const server = (name: string, publicAddr?: string, hostId = 'h1'): Server =>
  ({
    kind: 'app_server',
    version: 'v3',
    metadata: { name: `${name}.${hostId}` },
    spec: {
      host_id: hostId,
      hostname: hostId,
      proxy_ids: [],
      app: {
        kind: 'app',
        version: 'v3',
        metadata: { name },
        spec: { uri: 'http://localhost:1', ...(publicAddr === undefined ? {} : { public_addr: publicAddr }) },
      },
    },
  }) as Server;

const origins = (...servers: readonly Server[]): AppOrigins =>
  new AppOrigins({
    publicAddrs: () => ['proxy.example.com:443', 'other.example.com:8443'],
    view: {
      isReady: () => true,
      appServers: () => servers,
      appServersOf: (name) => servers.filter(({ spec }) => spec.app.metadata.name === name),
      appServersAt: (host) => servers.filter(({ spec }) => spec.app.spec.public_addr === host),
    },
  });

describe('S12 origins of applications', () => {
  it('ok: by name below any address of the proxy, and by public address', () => {
    const apps = origins(
      server('wiki'),
      server('grafana', 'g.example.com'),
      server('dash', 'd.proxy.example.com'),
    );
    expect(apps.appAt('wiki.proxy.example.com')).toBe('wiki');
    expect(apps.appAt('wiki.other.example.com')).toBe('wiki');
    expect(apps.appAt('g.example.com')).toBe('grafana');
    expect(apps.appAt('d.proxy.example.com')).toBe('dash');
    expect(apps.appAt('nobody.proxy.example.com')).toBe('');
    expect(apps.appAt('a.b.proxy.example.com')).toBeUndefined();
    expect(apps.appAt('example.com')).toBeUndefined();
  });

  it('refuses: an application that takes the address of the proxy', () => {
    const apps = origins(server('evil', 'proxy.example.com'), server('worse', 'other.example.com'));
    expect(apps.appAt('proxy.example.com')).toBeUndefined();
    expect(apps.appAt('other.example.com')).toBeUndefined();
  });

  it('refuses: an application that takes the place of another one below the proxy', () => {
    const apps = origins(server('evil', 'wiki.proxy.example.com'), server('wiki', 'w.example.com', 'h2'));
    expect(apps.appAt('wiki.proxy.example.com')).toBe('wiki');
  });

  it('refuses: both of two applications at one public address; agents of one application share it', () => {
    const twice = [server('wiki', 'w.example.com'), server('wiki', 'w.example.com', 'h2')];
    expect(origins(...twice).appAt('w.example.com')).toBe('wiki');
    const apps = origins(...twice, server('evil', 'w.example.com', 'h3'));
    expect(apps.appAt('w.example.com')).toBe('');
    expect(apps.claimants('w.example.com')).toEqual(['wiki', 'evil']);
  });
});
