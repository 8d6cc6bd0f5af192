// Certificates that proxies get to relay sessions of others: good on the server they were made for, and nowhere else.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RELAY_NODE_EXTENSION } from '#core/api/relay.ts';
import { makeTestNode, type TestNode } from '#test/kit/ssh-node.ts';

let node: TestNode;
beforeEach(() => {
  node = makeTestNode();
  node.view.putRole('access', { allow: { logins: ['root'], node_labels: { '*': '*' } } });
});
afterEach(() => node.close());

it('S13 refuses: a certificate that was made for a proxy to go to another server', async () => {
  (await node.connect('root', node.userKey('joe'))).disconnect(11, 'done');
  const key = node.userKey('joe', { permits: ['permit-pty', RELAY_NODE_EXTENSION] });
  await expect(node.connect('root', key)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  expect(node.events.at(-1)).toMatchObject({ event: 'auth', success: false });
});
