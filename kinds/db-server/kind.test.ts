import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { serverName } from '../server-presence.ts';
import { dbServerKind } from './kind.ts';

const HOST = 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f';
const document = (inner: object = {}, more: object = {}, name = `orders.${HOST}`): object => ({
  kind: 'db_server',
  metadata: { name },
  spec: {
    host_id: HOST,
    hostname: 'agent-1',
    database: {
      kind: 'db',
      version: 'v3',
      metadata: { name: 'orders', labels: { env: 'prod' } },
      spec: { protocol: 'postgres', uri: 'db.example.com:5432', ...inner },
    },
    ...more,
  },
});

describe('db_server', () => {
  it('ok: the example', () => expect(exampleOf('db-server', dbServerKind)).toHaveLength(1));

  it('ok: the row, and the name', () => {
    const resource = parseResource(dbServerKind, document({}, { version: '1.0.0' }));
    expect(dbServerKind.columns.map(({ value }) => value(resource))).toEqual([
      'orders',
      'agent-1',
      { protocol: 'postgres', uri: 'db.example.com:5432' }.uri,
      'env:prod',
      '1.0.0',
    ]);
    expect(serverName('orders', HOST)).toBe(resource.metadata.name);
    expect(resource.spec.proxy_ids).toEqual([]);
  });

  it.each([
    [
      'the name of another host',
      document({}, {}, 'orders.other'),
      'metadata.name: must be the name of what is served',
    ],
    ['what the kind refuses', document({ uri: '169.254.169.254:80' }), 'spec.database.spec.uri: must'],
    ['no document', document({}, { database: undefined }), 'spec.database: is required'],
    ['a slip inside', document({ urri: 'x' }), 'spec.database.spec.urri: is not a known field'],
    [
      'the document of another kind',
      document(
        {},
        {
          database: {
            kind: 'node',
            metadata: { name: 'orders' },
            spec: { protocol: 'postgres', uri: 'db.example.com:5432' },
          },
        },
      ),
      'spec.database.kind: must be one of db',
    ],
  ])('refuses: %s', (_name, given, message) => {
    expect(problemsOf(dbServerKind, given)[0]).toContain(message);
  });
});
