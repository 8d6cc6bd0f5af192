// The TCP door: plain SSH, SSH behind a relay header, and everything else that may come first.
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeRelayHeader } from '#core/relay-header.ts';
import { makeTestNode, NODE_ID, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import type { SshKey } from '#wire/ssh/ssh.ts';

let node: TestNode;
let port: number;
beforeEach(async () => {
  node = makeTestNode();
  node.view.putRole('access', { allow: { logins: ['deploy'], node_labels: { '*': ['*'] } } });
  const address = await node.service.listen({ host: '127.0.0.1', port: 0 });
  port = Number(address.split(':')[1]);
});
afterEach(() => node.close());

const dialed = (): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port }, () => resolve(socket));
    socket.on('error', () => {});
  });
const CLIENT = '198.51.100.20:5555';

function headerBy(key: SshKey, more: { target?: string; now?: number } = {}): Uint8Array {
  return writeRelayHeader({
    client: CLIENT,
    target: NODE_ID,
    now: node.clock.now(),
    key: key.privateKey,
    certificate: key.certificate ?? new Uint8Array(),
    ...more,
  });
}

async function enterBehind(header: Uint8Array | undefined, name = 'joe') {
  const socket = await dialed();
  if (header !== undefined) socket.write(header);
  return await node.connect('deploy', node.userKey(name), { socket });
}

describe('addresses', () => {
  it('ok: a direct connection comes from where it comes from', async () => {
    await enterBehind(undefined);
    await expect(enterAsNobody(undefined)).rejects.toThrow();
    expect(node.events.at(-1)).toMatchObject({ 'addr.remote': expect.stringMatching(/^127\.0\.0\.1:/) });
  });

  it('ok: behind a proxy it comes from the client of the proxy', async () => {
    await enterBehind(headerBy(node.hostKey(['proxy'])));
    await expect(enterAsNobody(headerBy(node.hostKey(['proxy'])))).rejects.toThrow();
    expect(node.events.at(-1)).toMatchObject({ event: 'access.denied', 'addr.remote': CLIENT });
  });

  it('ok: a header in many pieces, and SSH in the same packet', async () => {
    const header = headerBy(node.hostKey(['proxy']));
    const socket = await dialed();
    for (let at = 0; at < header.length; at += 300) {
      socket.write(header.subarray(at, at + 300));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await node.connect('deploy', node.userKey('joe'), { socket });
  });

  it('S13 ok: a pinned certificate works from its address behind a proxy, and from no other', async () => {
    const key = node.userKey('joe', { identity: { pinned_ip: '198.51.100.20' } });
    const socket = await dialed();
    socket.write(headerBy(node.hostKey(['proxy'])));
    await node.connect('deploy', key, { socket });
    await expect(node.connect('deploy', key, { socket: await dialed() })).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
  });

  const enterAsNobody = async (header: Uint8Array | undefined): Promise<unknown> => {
    const socket = await dialed();
    if (header !== undefined) socket.write(header);
    return await node.connect('deploy', node.userKey('eve', { roles: [] }), { socket });
  };
});

describe('S18 headers that are not believed', () => {
  const proxy = (): SshKey => node.hostKey(['proxy']);
  const other = (): TestNode => {
    const made = makeTestNode();
    others.push(made);
    return made;
  };
  const others: TestNode[] = [];
  afterEach(async () => {
    for (const one of others.splice(0)) await one.close();
  });

  it.each<[string, () => Uint8Array]>([
    ['of a node', () => headerBy(node.hostKey(['node']))],
    ['of a proxy of another cluster', () => headerBy(other().hostKey(['proxy']))],
    ['for another node', () => headerBy(proxy(), { target: 'somebody-else' })],
    ['of yesterday', () => headerBy(proxy(), { now: node.clock.now() - 86_400_000 })],
    ['signed by another key', () => headerBy({ ...proxy(), privateKey: proxy().privateKey })],
    ['that is damaged', () => headerBy(proxy()).fill(65, 40, 60)],
    [
      'of a proxy that is locked',
      () => {
        node.view.setLocks([{ name: 'l', target: { server_id: 'bad-proxy' } }]);
        return headerBy(node.hostKey(['proxy'], 'bad-proxy'));
      },
    ],
  ])('S18 refuses: a header %s', async (_, make) => {
    await expect(enterBehind(make())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(node.service.counts.connections).toBe(0);
  });

  it('S18 refuses: a header that was used before', async () => {
    const header = headerBy(proxy());
    await enterBehind(header);
    await expect(enterBehind(header)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('S18 refuses: a header behind another one', async () => {
    const twice = Buffer.concat([headerBy(proxy()), headerBy(proxy())]);
    await expect(enterBehind(twice)).rejects.toThrow();
  });
});

describe('S32 slow and odd beginnings', () => {
  it('ok: a client that waits for the server to speak hears it after a second', async () => {
    const socket = await dialed();
    let said = '';
    socket.on('data', (data) => void (said += data.toString()));
    await until('the connection to be there', async () => {
      await node.clock.advance(1000);
      return said.startsWith('SSH-2.0-');
    });
    socket.destroy();
  });

  it('refuses: a header that does not end, in time and in size', async () => {
    for (const text of ['GATEHOUSE-RELAY/1 ', `GATEHOUSE-RELAY/1 ${'a'.repeat(20_000)}`]) {
      const socket = await dialed();
      socket.resume();
      socket.write(text);
      await until('the end', async () => {
        await node.clock.advance(11_000);
        return socket.destroyed || socket.readableEnded;
      });
    }
    await until('the seats back', () => node.service.counts.connections === 0);
  });

  it('refuses: what is no SSH at all', async () => {
    const socket = await dialed();
    socket.resume();
    socket.write('GET / HTTP/1.1\r\n\r\n'.repeat(50));
    await until('the end', async () => {
      await node.clock.advance(31_000);
      return socket.destroyed || socket.readableEnded;
    });
  });

  it('ok: a client that leaves at once holds nothing', async () => {
    for (let i = 0; i < 20; i++) (await dialed()).destroy();
    await until('nothing to be held', () => node.service.counts.connections === 0);
    await enterBehind(undefined);
  });
});

it('refuses: an address that is taken, and says what to change', async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  const address = taken.address() as AddressInfo;
  const other = makeTestNode();
  await expect(other.service.listen({ host: '127.0.0.1', port: address.port })).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('listen_addr'),
  });
  taken.close();
  await other.close();
});
