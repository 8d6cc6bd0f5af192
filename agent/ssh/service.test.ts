// The whole way in over the real wire: who is let in, who is refused with which words and which record.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SshConnection } from '#wire/ssh/ssh.ts';
import { makeTestNode, NODE_ID, type TestNode, type UserKeyOptions } from '#test/kit/ssh-node.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { makeSshAuthority } from '#test/kit/certs.ts';
import { until } from '#test/kit/until.ts';

const ROLE = {
  allow: { logins: ['root', 'deploy'], node_labels: { env: ['test'] } },
  options: { forward_agent: true, permit_x11_forwarding: true },
};
let node: TestNode;
beforeEach(() => {
  node = makeTestNode();
  node.view.putRole('access', ROLE);
});
afterEach(() => node.close());

const eventsOf = (type: string) => node.events.filter(({ event }) => event === type);
const enter = (options: UserKeyOptions = {}, login = 'deploy', name = 'joe'): Promise<SshConnection> =>
  node.connect(login, node.userKey(name, options));

async function refused(options: UserKeyOptions, login = 'deploy'): Promise<string> {
  await expect(enter(options, login)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  return node.banners.join('');
}

describe('login', () => {
  it('ok: a user with a certificate, an account and a role', async () => {
    const connection = await enter();
    let said = '';
    const channel = await connection.open('session', new Uint8Array(), {
      onData(data) {
        said += data.toString();
      },
    });
    channel.write(Buffer.from('hello'));
    await until('the echo', () => said === 'hello');
    expect(node.service.counts).toEqual({ connections: 1, users: 1, sessions: 1 });
    channel.close();
    await until('the end', () => node.service.counts.sessions === 0);
    connection.disconnect(11, 'bye');
    await until(
      'the seats back',
      () => node.service.counts.connections === 0 && node.service.counts.users === 0,
    );
    expect(node.events).toEqual([]);
  });

  it.each<[string, UserKeyOptions]>([
    ['another authority', { authority: makeSshAuthority() }],
    ['an expired certificate', { validForMs: -30_000 }],
    ['a host certificate', { type: 'host', permits: [] }],
    ['another address', { criticalOptions: { 'source-address': '198.51.100.7' } }],
  ])('S2 refuses: %s, without a word of why, and with an auth event', async (_, options) => {
    expect(await refused(options)).toBe('');
    await until('the event', () => eventsOf('auth').length === 1);
    expect(eventsOf('auth')[0]).toMatchObject({
      success: false,
      login: 'deploy',
      server_id: NODE_ID,
      'addr.remote': '203.0.113.9:4711',
    });
    expect(eventsOf('access.denied')).toEqual([]);
  });

  it('refuses: a plain key', async () => {
    const { privateKey } = generateKeyPair('ed25519');
    await expect(node.connect('deploy', { privateKey })).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    expect(eventsOf('auth')[0]).toMatchObject({ success: false });
  });

  it('refuses: a certificate of the oldssh format, and says which is needed', async () => {
    expect(await refused({ isOldFormat: true })).toContain('standard format');
  });

  it('S3 refuses: a login that the certificate does not have, with a denial that admins can look up', async () => {
    const said = await refused({ principals: ['deploy'] }, 'root');
    const [denied] = eventsOf('access.denied');
    expect(said).toBe(`access denied (denial ${String(denied?.['denial_id'])})`);
    expect(denied).toMatchObject({
      user: 'joe',
      login: 'root',
      action: 'connect',
      resource: `node/${NODE_ID}`,
    });
    expect(denied?.['reasons']).toContain('the certificate is not for the login "root"');
    expect(eventsOf('session.rejected')[0]).toMatchObject({ denial_id: denied?.['denial_id'], user: 'joe' });
    expect(eventsOf('auth')).toEqual([]);
  });

  it('refuses: an account that is not there', async () => {
    expect(await refused({ principals: ['nobody-here'] }, 'nobody-here')).toMatch(/^access denied/);
    node.view.putRole('access', { allow: { logins: ['nobody-here'], node_labels: { '*': ['*'] } } });
    node.banners.length = 0;
    expect(await refused({ principals: ['nobody-here'] }, 'nobody-here')).toBe(
      'there is no account "nobody-here" on this server',
    );
    expect(eventsOf('session.rejected').at(-1)).toMatchObject({
      reason: expect.stringContaining('no account'),
    });
  });

  it('refuses: an account that roles would make, which this release does not', async () => {
    const options = { create_host_user_mode: 'keep' };
    node.view.putRole('access', {
      allow: { logins: ['nobody-here'], node_labels: { '*': ['*'] } },
      options,
    });
    expect(await refused({ principals: ['nobody-here'] }, 'nobody-here')).toContain('create_host_user_mode');
  });

  it('S33 ok: a flood of refusals is put on record in part', async () => {
    for (let i = 0; i < 30; i++) await expect(enter({ roles: [] })).rejects.toThrow();
    expect(eventsOf('access.denied').length).toBe(20);
    expect(node.banners.at(-1)).toBe('access denied');
  });
});

describe('limits', () => {
  it('refuses: more connections of a person than max_connections', async () => {
    node.view.putRole('access', { ...ROLE, options: { max_connections: 2 } });
    const first = await enter();
    await enter();
    expect(await refused({})).toContain('max_connections');
    expect(eventsOf('session.rejected').at(-1)).toMatchObject({ user: 'joe' });
    await enter({}, 'deploy', 'ada');
    first.disconnect(11, 'bye');
    await until('a seat', () => node.service.counts.connections === 2);
    await enter();
  });

  it('refuses: more sessions on a connection than max_sessions', async () => {
    node.view.putRole('access', { ...ROLE, options: { max_sessions: 1 } });
    const connection = await enter();
    const channel = await connection.open('session', new Uint8Array(), {});
    await expect(connection.open('session', new Uint8Array(), {})).rejects.toMatchObject({
      details: { reason: 4 },
    });
    expect(eventsOf('session.rejected').length).toBe(1);
    channel.close();
    await until('the end', () => node.service.counts.sessions === 0);
    await connection.open('session', new Uint8Array(), {});
  });

  it('refuses: more people than max_users, and more connections than max_connections of the node', async () => {
    await node.close();
    node = makeTestNode({ limits: { maxConnections: 3, maxUsers: 2 } });
    node.view.putRole('access', ROLE);
    await enter({}, 'deploy', 'ada');
    await enter({}, 'deploy', 'bob');
    expect(await refused({})).toContain('max_users');
    await enter({}, 'deploy', 'bob');
    await expect(enter({}, 'deploy', 'bob')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('S32 refuses: more handshakes of one address than it may have, and ends silent ones', async () => {
    await node.close();
    node = makeTestNode({ limits: { maxConnections: 1000, maxUsers: 10 } });
    node.view.putRole('access', ROLE);
    const { duplexPair } = await import('node:stream');
    const ends: string[] = [];
    for (let i = 0; i < 256; i++) {
      const [near, far] = duplexPair();
      near
        .once('close', () => ends.push('closed'))
        .on('error', () => {})
        .resume();
      node.service.accept(far, { remoteAddress: '203.0.113.9:1', localAddress: '10.0.0.7:3022' });
    }
    await expect(enter()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const other = { remoteAddress: '203.0.113.10:1' };
    await node.connect('deploy', node.userKey('ada'), { origin: other });
    await node.clock.advance(31_000);
    await until('the silent ones to be gone', () => node.service.counts.connections === 1);
    await enter();
  });
});

describe('the end', () => {
  it('ok: while draining the port is closed, who was accepted before is served, and what is used goes on', async () => {
    const port = Number((await node.service.listen({ host: '127.0.0.1', port: 0 })).split(':')[1]);
    const busy = await enter();
    const idle = await enter();
    const channel = await busy.open('session', new Uint8Array(), {});
    let isDrained = false;
    const drained = node.service.drain().then(() => (isDrained = true));
    const knock = connect(port, '127.0.0.1');
    expect(await once(knock, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
    const late = await enter();
    await node.clock.advance(10_000);
    expect((await late.closed)?.message).toContain('restarts');
    expect((await idle.closed)?.message).toContain('restarts');
    expect(isDrained).toBe(false);
    channel.close();
    await until('the channel to close', () => busy.channelCount === 0);
    await node.clock.advance(10_000);
    await until('the end', () => isDrained);
    await drained;
  });

  it('ok: a drain that takes too long ends, and close tells those who are left', async () => {
    const busy = await enter();
    await busy.open('session', new Uint8Array(), {});
    const drained = node.service.drain(30_000);
    await node.clock.advance(31_000);
    await drained;
    const closing = node.service.close();
    await node.clock.advance(5000);
    await closing;
    expect((await busy.closed)?.message).toContain('stopping');
  });
});
