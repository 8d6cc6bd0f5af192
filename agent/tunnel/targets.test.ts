import { expect, it } from 'vitest';
import { TargetMemory, targetsOfAddress, targetsOfProxy, type TunnelTarget } from './targets.ts';

const text = (targets: readonly TunnelTarget[]): string[] =>
  targets.map(({ way, address }) => `${way} ${address}`);
const proxy = (spec: object) => ({
  kind: 'proxy',
  version: 'v2',
  metadata: { name: 'p' },
  spec: { hostname: 'p', public_addrs: [], ssh_addrs: [], tunnel_addrs: [], peer_addr: '', ...spec },
});

it('ok: the tunnel port, then SSH on the web port, then a stream through it', () => {
  const all = targetsOfProxy(proxy({ tunnel_addrs: ['p:3024'], public_addrs: ['p:3080', 'q:443'] }));
  expect(text(all)).toEqual(['ssh p:3024', 'ssh p:3080', 'upgrade p:3080', 'ssh q:443', 'upgrade q:443']);
  expect(text(targetsOfProxy(proxy({ tunnel_addrs: ['p:3080'], public_addrs: ['p:3080'] })))).toEqual([
    'ssh p:3080',
    'upgrade p:3080',
  ]);
  expect(targetsOfProxy(proxy({}))).toEqual([]);
});

it('ok: where a balancer ends TLS, a stream through the web port comes first', () => {
  const found = {
    id: 'p',
    endsTls: false,
    tunnelAddress: 'p:3024',
    hostAuthorities: [],
    isTrusted: false,
  };
  expect(text(targetsOfAddress('lb:443', found))).toEqual(['upgrade lb:443', 'ssh lb:443', 'ssh p:3024']);
  expect(text(targetsOfAddress('p:3080', { ...found, endsTls: true }))).toEqual([
    'ssh p:3024',
    'ssh p:3080',
    'upgrade p:3080',
  ]);
  expect(targetsOfAddress('auth:3025', undefined)).toEqual([]);
});

it('ok: what failed comes last until it works again', () => {
  const memory = new TargetMemory();
  const [a, b, c] = targetsOfProxy(proxy({ tunnel_addrs: ['a:1'], public_addrs: ['b:1'] })) as [
    TunnelTarget,
    TunnelTarget,
    TunnelTarget,
  ];
  memory.note(a, false);
  memory.note(a, false);
  memory.note(b, false);
  expect(memory.sort([a, b, c])).toEqual([c, b, a]);
  memory.note(a, true);
  expect(memory.sort([a, b, c])).toEqual([a, c, b]);
});
