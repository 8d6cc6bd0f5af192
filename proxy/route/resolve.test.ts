import { describe, expect, it } from 'vitest';
import { PresenceIndex } from '#client/view-presence.ts';
import type { GatehouseError } from '#core/errors/error.ts';
import type { NodeSpec } from '#kinds/node/kind.ts';
import { parseRouteRequest, routeRequest } from './request.ts';
import { resolveTarget, type NodeDirectory, type RouteNode, type RouteRules } from './resolve.ts';

const RULES: RouteRules = { clusterName: 'example.com', ignoresCase: false, takesMostRecent: false };

interface About extends Partial<NodeSpec> {
  readonly labels?: Record<string, string>;
  readonly expires?: string;
}

function node(name: string, { labels = {}, expires, ...spec }: About = {}): RouteNode {
  return {
    kind: 'node',
    version: 'v2',
    metadata: { name, labels, ...(expires === undefined ? {} : { expires }) },
    spec: { hostname: name, addr: '', use_tunnel: false, ...spec },
  };
}

const ID1 = '11111111-1111-4111-8111-111111111111';
const ID2 = '22222222-2222-4222-8222-222222222222';
const NODES: readonly RouteNode[] = [
  node(ID1, { hostname: 'web-1', addr: '10.0.0.1:3022', labels: { env: 'prod', role: 'web' } }),
  node(ID2, { hostname: 'Web-2', addr: '10.0.0.2:2222', labels: { env: 'prod', role: 'db' } }),
  node('n3', { hostname: 'twin', addr: '[2001:db8::3]:3022', expires: '2026-01-01T00:00:00Z' }),
  node('n4', { hostname: 'twin', public_addrs: ['twin.example.org'], expires: '2026-01-01T00:01:00Z' }),
  node('n5', { hostname: 'secret', addr: '10.0.0.5:3022', labels: { env: 'prod', role: 'vault' } }),
  node('n6', {
    hostname: 'db.example.com',
    use_tunnel: true,
    cmd_labels: { up: { period: '1m', command: [], result: 'yes' } },
  }),
];

function directory(nodes: readonly RouteNode[]): NodeDirectory {
  const index = new PresenceIndex<NodeSpec>((one) => one.spec.hostname);
  for (const one of nodes) index.put(one.metadata.name, one);
  return {
    nodes: () => index.all(),
    node: (name) => index.get(name),
    nodesNamed: (name) => index.named(name),
  };
}

function resolve(text: string, rules: Partial<RouteRules> = {}, nodes = NODES): string {
  const isVisible = (one: RouteNode): boolean => one.spec.hostname !== 'secret';
  try {
    const request = parseRouteRequest(text, 'example.com');
    const found = resolveTarget(request, directory(nodes), isVisible, { ...RULES, ...rules });
    if (found.is === 'node') return found.node.metadata.name;
    if (found.is === 'none') return found.hidden.length > 0 ? 'none (hidden)' : 'none';
    return `ambiguous: ${found.candidates.map(({ metadata }) => metadata.name).join(' ')}`;
  } catch (error) {
    return (error as GatehouseError).code;
  }
}

describe('which node is meant', () => {
  it.each<[string, string, Partial<RouteRules>?]>([
    ['web-1', ID1],
    ['web-1:0', ID1],
    ['web-1:22', ID1],
    ['web-1:3022', ID1],
    ['web-1:22@example.com', ID1],
    ['web-1@Example.COM', ID1],
    ['web-1.example.com:22', ID1],
    [ID1, ID1],
    [`${ID1}.example.com`, ID1],
    [ID1.toUpperCase(), ID1],
    ['10.0.0.1', ID1],
    ['10.0.0.2:2222', ID2],
    ['Web-2:2222', ID2],
    ['2001:db8::3:22', 'n3'],
    ['[2001:db8::3]:22', 'n3'],
    ['[2001:DB8::3]', 'n3'],
    ['TWIN.example.org', 'n4'],
    ['twin.example.org:22', 'n4'],
    ['db.example.com', 'n6'],
    ['env=prod,role=db', ID2],
    ['env=prod,role=web:22', ID1],
    ['up=yes', 'n6'],
    ['web-2', ID2, { ignoresCase: true }],
    ['WEB-1', ID1, { ignoresCase: true }],
    ['twin', 'n4', { takesMostRecent: true }],
  ])('ok: %s is %s', (text, id, rules) => {
    expect(resolve(text, rules)).toBe(id);
  });

  it.each<[string, string]>([
    ['twin', 'ambiguous: n3 n4'],
    ['env=prod', `ambiguous: ${ID1} ${ID2}`],
    ['web-2', 'none'],
    ['10.0.0.2:2223', 'none'],
    ['web-1:80', 'none'],
    ['db.example.com:80', 'none'],
    ['nobody', 'none'],
    ['env', 'none'],
    ['=prod', 'none'],
    ['env=prod,', 'none'],
    ['__proto__=x', 'none'],
    ['constructor=', 'none'],
    ['.example.com', 'none'],
    ['web-1@example.org', 'NOT_FOUND'],
    ['', 'BAD_REQUEST'],
    [':22', 'BAD_REQUEST'],
    ['we b', 'BAD_REQUEST'],
    ['wéb', 'BAD_REQUEST'],
    ['web-1\n', 'BAD_REQUEST'],
    ['web-1:70000', 'BAD_REQUEST'],
    ['x'.repeat(513), 'BAD_REQUEST'],
  ])('refuses: %j gives %s', (text, answer) => {
    expect(resolve(text)).toBe(answer);
  });

  it('refuses: nodes that the user may not see are not found by name, id, address or label', () => {
    for (const text of ['secret', 'n5', '10.0.0.5', 'role=vault'])
      expect(resolve(text)).toBe('none (hidden)');
  });

  it('S25 refuses: addresses that no node has, whatever they lead to', () => {
    for (const host of [
      '127.0.0.1',
      '169.254.169.254',
      '10.0.0.99',
      'localhost',
      'metadata.google.internal',
    ]) {
      for (const port of [undefined, 22, 80, 3025]) {
        const found = resolveTarget(routeRequest(host, port), directory(NODES), () => true, RULES);
        expect(found.is, `${host}:${port}`).toBe('none');
      }
    }
  });

  it('refuses: a node that calls itself as another one takes nothing over', () => {
    const thief = node('thief', { hostname: '10.0.0.1', addr: '10.6.6.6:3022' });
    expect(resolve('10.0.0.1', {}, [...NODES, thief])).toBe(`ambiguous: ${ID1} thief`);
    expect(resolve(ID1, {}, [...NODES, node('thief', { hostname: ID1 })])).toBe(ID1);
    expect(resolve('n5', {}, [...NODES, node('thief', { hostname: 'n5' })])).toBe('none (hidden)');
  });

  it('S33 a name that fits thousands lists twenty, and ten thousand nodes are searched in moments', () => {
    const many = Array.from({ length: 10_000 }, (_, i) =>
      node(`id-${i}`, {
        hostname: `host-${i}`,
        addr: `10.1.${i >> 8}.${i & 255}:3022`,
        labels: { env: 'x' },
      }),
    );
    const all = directory(many);
    const found = resolveTarget({ host: 'env=x' }, all, () => true, RULES);
    expect(found.is === 'ambiguous' && found.candidates.length).toBe(20);
    const start = performance.now();
    for (let i = 0; i < 20; i++) resolveTarget({ host: `10.1.3.${i}` }, all, () => true, RULES);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});
