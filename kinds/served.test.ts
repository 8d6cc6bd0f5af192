import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { appServerKind, type AppServerSpec } from './app-server/kind.ts';
import { dbServerKind, type DbServerSpec } from './db-server/kind.ts';
import { conflictingNames } from './served.ts';

const PEM = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
const db = (name: string, host: string, spec: object = {}, metadata: object = {}): Resource<DbServerSpec> =>
  parseResource(dbServerKind, {
    kind: 'db_server',
    metadata: { name: `${name}.${host}` },
    spec: {
      host_id: host,
      hostname: host,
      database: {
        metadata: { name, ...metadata },
        spec: { protocol: 'postgres', uri: 'a:1', ...spec },
      },
    },
  });
const app = (name: string, host: string, spec: object = {}): Resource<AppServerSpec> =>
  parseResource(appServerKind, {
    kind: 'app_server',
    metadata: { name: `${name}.${host}` },
    spec: { host_id: host, hostname: host, app: { metadata: { name }, spec: { uri: 'http://a', ...spec } } },
  });

describe('what presence shows', () => {
  it('ok: without the authorities of a database', () => {
    const { database } = db('a', 'h', { ca_cert: PEM, tls: { mode: 'verify-ca', server_name: 'x' } }).spec;
    expect(database.spec.tls).toEqual({ mode: 'verify-ca', server_name: 'x' });
    expect(JSON.stringify(database)).not.toContain('CERTIFICATE');
  });

  it('S18 without the headers that an application is sent: they may be credentials', () => {
    const shown = app('a', 'h', { rewrite: { headers: ['Authorization: Bearer s3cret'], redirect: ['b'] } });
    expect(shown.spec.app.spec.rewrite).toEqual({ redirect: ['b'] });
  });
});

describe('conflictingNames', () => {
  it('ok: several agents that say the same, whatever the order and what commands print', () => {
    const command = (result: string) => ({
      dynamic_labels: { host: { period: '1h', command: 'h', result } },
    });
    expect(
      conflictingNames([
        db('a', 'h1', command('x'), { labels: { env: 'prod', team: 'a' } }),
        db('a', 'h2', command('y'), { labels: { team: 'a', env: 'prod' } }),
        db('b', 'h1'),
      ]),
    ).toEqual(new Set());
  });

  it('ok: another address, label or command is a conflict', () => {
    const servers = [
      db('a', 'h1'),
      db('a', 'h2', { uri: 'b:1' }),
      db('b', 'h1', {}, { labels: { env: 'prod' } }),
      db('b', 'h2'),
      db('c', 'h1', { dynamic_labels: { x: { period: '1h', command: 'one' } } }),
      db('c', 'h2', { dynamic_labels: { x: { period: '1h', command: 'two' } } }),
      db('d', 'h1'),
      db('d', 'h2'),
    ];
    expect(conflictingNames(servers)).toEqual(new Set(['a', 'b', 'c']));
    expect(conflictingNames([app('x', 'h1'), app('x', 'h2', { public_addr: 'x.example.com' })])).toEqual(
      new Set(['x']),
    );
  });

  it('ok: tens of thousands of them', () => {
    const servers = Array.from({ length: 20_000 }, (_, at) => db(`db-${at >> 1}`, `h${at}`));
    expect(conflictingNames(servers).size).toBe(0);
  });
});
