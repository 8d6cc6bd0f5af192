import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { serverName } from '../server-presence.ts';
import { appServerKind } from './kind.ts';

const HOST = 'd52527f9-b260-41d0-bb5a-e23b0cfe0f8f';
const document = (inner: object = {}, more: object = {}, name = `orders.${HOST}`): object => ({
  kind: 'app_server',
  metadata: { name },
  spec: {
    host_id: HOST,
    hostname: 'agent-1',
    app: {
      kind: 'app',
      version: 'v3',
      metadata: { name: 'orders', labels: { env: 'prod' } },
      spec: { uri: 'http://localhost:3000', ...inner },
    },
    ...more,
  },
});

describe('app_server', () => {
  it('ok: the example', () => expect(exampleOf('app-server', appServerKind)).toHaveLength(1));

  it('ok: the row, and the name', () => {
    const resource = parseResource(appServerKind, document({}, { version: '1.0.0' }));
    expect(appServerKind.columns.map(({ value }) => value(resource))).toEqual([
      'orders',
      'agent-1',
      { uri: 'http://localhost:3000' }.uri,
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
    ['what the kind refuses', document({ uri: '169.254.169.254:80' }), 'spec.app.spec.uri: must'],
    ['no document', document({}, { app: undefined }), 'spec.app: is required'],
    ['a slip inside', document({ urri: 'x' }), 'spec.app.spec.urri: is not a known field'],
    [
      'the document of another kind',
      document(
        {},
        { app: { kind: 'node', metadata: { name: 'orders' }, spec: { uri: 'http://localhost:3000' } } },
      ),
      'spec.app.kind: must be one of app',
    ],
  ])('refuses: %s', (_name, given, message) => {
    expect(problemsOf(appServerKind, given)[0]).toContain(message);
  });
});
