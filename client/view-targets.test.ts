// Databases and applications in the view: by name and address, through every change, and not mixed up.
import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { appServerKind } from '#kinds/app-server/kind.ts';
import { dbServerKind } from '#kinds/db-server/kind.ts';
import { TargetIndex } from './view-targets.ts';

const db = (name: string, host: string): Resource =>
  parseResource(dbServerKind, {
    kind: 'db_server',
    metadata: { name: `${name}.${host}` },
    spec: {
      host_id: host,
      hostname: host,
      database: { metadata: { name }, spec: { protocol: 'postgres', uri: 'a:1' } },
    },
  });
const app = (name: string, host: string, public_addr?: string): Resource =>
  parseResource(appServerKind, {
    kind: 'app_server',
    metadata: { name: `${name}.${host}` },
    spec: {
      host_id: host,
      hostname: host,
      app: {
        metadata: { name },
        spec: { uri: 'http://a', ...(public_addr === undefined ? {} : { public_addr }) },
      },
    },
  });
const put = (index: TargetIndex, ...all: readonly Resource[]): void => {
  for (const one of all) index.index(one.kind)?.put(one.metadata.name, one);
};
const names = (list: readonly Resource[]): string[] => list.map(({ metadata }) => metadata.name).sort();

describe('TargetIndex', () => {
  it('ok: all who serve a name, and the same list until something changes', () => {
    const index = new TargetIndex();
    put(index, db('orders', 'h1'), db('orders', 'h2'), db('orders.eu', 'h1'));
    expect(names(index.dbServers.of('orders'))).toEqual(['orders.h1', 'orders.h2']);
    expect(names(index.dbServers.of('orders.eu'))).toEqual(['orders.eu.h1']);
    expect(index.dbServers.of('constructor')).toEqual([]);
    expect(index.dbServers.all()).toBe(index.dbServers.all());
    expect(index.dbServers.all()).toHaveLength(3);
    index.dbServers.delete('orders.h1');
    expect(names(index.dbServers.of('orders'))).toEqual(['orders.h2']);
    index.dbServers.delete('orders.h2');
    expect(index.dbServers.of('orders')).toEqual([]);
    expect(index.dbServers.all()).toHaveLength(1);
  });

  it('ok: an application by its address, in any case, and no longer by the one it had', () => {
    const index = new TargetIndex();
    put(index, app('grafana', 'h1', 'g.example.com'), app('other', 'h1'));
    expect(names(index.appServers.at('G.Example.com'))).toEqual(['grafana.h1']);
    put(index, app('grafana', 'h1', 'new.example.com'));
    expect(index.appServers.at('g.example.com')).toEqual([]);
    expect(names(index.appServers.at('new.example.com'))).toEqual(['grafana.h1']);
    expect(index.appServers.at('')).toEqual([]);
    expect(index.appServers.all()).toHaveLength(2);
  });

  it('ok: each kind has its own', () => {
    const index = new TargetIndex();
    put(index, db('x', 'h'), app('x', 'h'));
    expect([index.dbServers, index.appServers, index.dbs, index.apps].map((one) => one.all().length)).toEqual(
      [1, 1, 0, 0],
    );
    expect(index.index('node')).toBeUndefined();
    expect(index.index('__proto__')).toBeUndefined();
  });
});
