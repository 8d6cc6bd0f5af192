// Which addresses a proxy tells others, from what the configuration says and the ports that were bound.
import { describe, expect, it } from 'vitest';
import type { ProxyConfig } from '#config/config.ts';
import { proxyNames } from '#config/proxy-names.ts';
import { dialAddresses, type BoundPorts } from './addresses.ts';

const CONFIG: ProxyConfig = {
  webListenAddr: { host: '0.0.0.0', port: 3080 },
  publicAddrs: [],
  sshPublicAddrs: [],
  tunnelPublicAddrs: [],
  httpsKeypairs: [],
  httpsReloadMs: 0,
  proxyProtocolFrom: [],
  trustXForwardedFor: false,
  insecureNoTls: false,
};
const BOUND: BoundPorts = { web: '0.0.0.0:3080', ssh: '0.0.0.0:3023', tunnel: '0.0.0.0:3024' };

const addresses = (config: Partial<ProxyConfig> = {}, bound: BoundPorts = BOUND) =>
  dialAddresses({ config: { ...CONFIG, ...config }, bound, nodeName: 'proxy-1', ownHost: '10.0.0.5' });

describe('where others dial', () => {
  it('ok: without public names it is the machine, by name and address', () => {
    expect(addresses()).toMatchObject({
      publicAddrs: ['proxy-1:3080', '10.0.0.5:3080'],
      sshPublicAddrs: ['proxy-1:3023', '10.0.0.5:3023'],
      tunnelPublicAddrs: ['proxy-1:3024', '10.0.0.5:3024'],
      peer: '10.0.0.5:3080',
    });
  });

  it('ok: public names hold for all ports, unless a port has names of its own', () => {
    const publicAddrs = [{ host: 'p.example.com', port: 443 }];
    expect(addresses({ publicAddrs })).toMatchObject({
      publicAddrs: ['p.example.com:443'],
      sshPublicAddrs: ['p.example.com:3023'],
      tunnelPublicAddrs: ['p.example.com:3024'],
      // Behind a balancer the public name may be another proxy.
      peer: '10.0.0.5:3080',
    });
    const own = {
      sshPublicAddrs: [{ host: 's.example.com', port: 22 }],
      peerPublicAddr: { host: 'one', port: 3021 },
    };
    expect(addresses({ publicAddrs, ...own })).toMatchObject({
      sshPublicAddrs: ['s.example.com:22'],
      peer: 'one:3021',
    });
  });

  it('ok: where the web port is the only one there are no others to tell of', () => {
    expect(addresses({}, { web: '127.0.0.1:4000' })).toMatchObject({
      publicAddrs: ['127.0.0.1:4000'],
      sshPublicAddrs: [],
      tunnelPublicAddrs: [],
      peer: '127.0.0.1:4000',
    });
  });

  it('ok: a port of 0 is the one that was bound; IPv6 addresses have their brackets', () => {
    const publicAddrs = [{ host: '2001:db8::1', port: 0 }];
    expect(addresses({ publicAddrs }, { web: '[::]:41234' })).toMatchObject({
      publicAddrs: ['[2001:db8::1]:41234'],
      peer: '10.0.0.5:41234',
    });
  });
});

it('ok: certificates name what users were told first, and never the address that means "all"', () => {
  const config = {
    ...CONFIG,
    publicAddrs: [{ host: 'p.example.com', port: 443 }],
    tunnelListenAddr: { host: '192.0.2.1', port: 3024 },
  };
  expect(proxyNames({ config, nodeName: 'proxy-1', ownHost: '10.0.0.5' })).toEqual([
    'p.example.com',
    'proxy-1',
    '10.0.0.5',
    '192.0.2.1',
  ]);
});
