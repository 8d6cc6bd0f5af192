// Fuzz target: whatever a compromised agent sends as its presence is refused or becomes a bounded record of its own.
import type { HostIdentity } from '#core/identity.ts';
import { planHeartbeat } from './heartbeat.ts';

const HOST: HostIdentity = {
  kind: 'host',
  cluster: 'c',
  host_id: 'h',
  name: 'web',
  roles: ['node', 'proxy', 'db', 'app'],
};
const NODE = {
  kind: 'node',
  version: 'v2',
  metadata: { name: 'h' },
  spec: { hostname: 'web', addr: '10.0.0.1:22' },
};
const SESSION = {
  kind: 'session',
  metadata: { name: '4c146ec8-eab6-41e6-b1b3-40167e68e931' },
  spec: { host_id: 'h', server_id: 'h', user: 'joe', created: '2026-01-01T00:00:00Z' },
};
const DB_SERVER = {
  kind: 'db_server',
  metadata: { name: 'orders.h' },
  spec: {
    host_id: 'h',
    hostname: 'web',
    database: { metadata: { name: 'orders' }, spec: { protocol: 'postgres', uri: 'a:1' } },
  },
};
const APP_SERVER = {
  kind: 'app_server',
  metadata: { name: 'grafana.h' },
  spec: {
    host_id: 'h',
    hostname: 'web',
    app: { metadata: { name: 'grafana' }, spec: { uri: 'http://a', rewrite: { headers: ['a: b'] } } },
  },
};
const seed = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

export const fuzz = {
  name: 'heartbeat',
  seeds: [
    seed(NODE),
    seed({ ...NODE, metadata: { name: 'x', labels: { 'gatehouse.internal/a': 'b' } } }),
    seed({ ...NODE, kind: 'user' }),
    seed({ kind: 'proxy', metadata: { name: 'h' }, spec: { hostname: 'web', public_addrs: 'a:443' } }),
    seed(SESSION),
    seed(DB_SERVER),
    seed({ ...DB_SERVER, spec: { ...DB_SERVER.spec, host_id: 'x' } }),
    seed(APP_SERVER),
    seed({ ...SESSION, spec: { ...SESSION.spec, host_id: 'x', participants: [{ user: 'a' }] } }),
  ],
  run(input: Uint8Array): void {
    let document: unknown;
    try {
      document = JSON.parse(Buffer.from(input).toString('utf8'));
    } catch {
      return;
    }
    const resources = planHeartbeat(
      HOST,
      { version: '1', ttlMs: 60_000, resources: [document] },
      1_800_000_000_000,
    );
    for (const { kind, metadata, spec } of resources) {
      const isOwn = ['session', 'db_server', 'app_server'].includes(kind)
        ? (spec as { host_id?: string }).host_id === 'h' &&
          (kind === 'session' || metadata.name.endsWith('.h'))
        : metadata.name === 'h' && ['node', 'proxy', 'instance'].includes(kind);
      if (!isOwn || metadata.expires !== '2027-01-15T08:01:00Z') {
        throw new Error(`a host wrote ${kind}/${metadata.name} until ${String(metadata.expires)}`);
      }
    }
    if (resources.length !== 2) throw new Error('the document was lost');
  },
};
