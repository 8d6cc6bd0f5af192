// S10: every kind of channel and request beside sessions, against certificate, roles and configuration: the whole table,
// and the same over the wire.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  boundPort,
  directStreamlocal,
  directTcpip,
  streamlocalForward,
  tcpipForward,
} from '#wire/ssh/payloads.ts';
import { makeTestNode, type TestNode } from '#test/kit/ssh-node.ts';
import { until } from '#test/kit/until.ts';
import { forwardRefusal, FORWARDS, type Forward } from '#core/access/ssh-forwards.ts';

const GRANT = {
  permitPty: true,
  permitPortForwarding: true,
  permitAgentForwarding: true,
  permitX11Forwarding: true,
  permitUserRc: true,
};
const OPTIONS = { portForwarding: { local: true, remote: true }, forwardAgent: true, x11Forwarding: true };
const CONFIG = { allowTcpForwarding: true, x11: { enabled: true } };

const PORTS: readonly Forward[] = ['local-tcp', 'local-socket', 'remote-tcp', 'remote-socket'];
const LOCAL: readonly Forward[] = ['local-tcp', 'local-socket'];
const REMOTE: readonly Forward[] = ['remote-tcp', 'remote-socket'];

describe('S10 the table', () => {
  const rows: readonly [string, object, object, object, readonly Forward[]][] = [
    ['everything permits', {}, {}, {}, []],
    ['the certificate permits no ports', { permitPortForwarding: false }, {}, {}, PORTS],
    ['the certificate permits no agent', { permitAgentForwarding: false }, {}, {}, ['agent']],
    ['the certificate permits no X11', { permitX11Forwarding: false }, {}, {}, ['x11']],
    ['no role permits local ports', {}, { portForwarding: { local: false, remote: true } }, {}, LOCAL],
    ['no role permits remote ports', {}, { portForwarding: { local: true, remote: false } }, {}, REMOTE],
    ['no role permits the agent', {}, { forwardAgent: false }, {}, ['agent']],
    ['no role permits X11', {}, { x11Forwarding: false }, {}, ['x11']],
    ['the server has ports off', {}, {}, { allowTcpForwarding: false }, PORTS],
    ['the server has X11 off', {}, {}, { x11: { enabled: false } }, ['x11']],
  ];
  it.each(rows)('S10 %s', (_, grant, options, config, refused) => {
    const access = {
      grant: { ...GRANT, ...grant },
      options: { ...OPTIONS, ...options },
      duties: [],
    } as never;
    const found = FORWARDS.filter((forward) => forwardRefusal(forward, access, { ...CONFIG, ...config }));
    expect(found).toEqual(FORWARDS.filter((forward) => refused.includes(forward)));
  });
});

describe('S10 over the wire', () => {
  let node: TestNode;
  beforeEach(() => {
    node = makeTestNode();
  });
  afterEach(() => node.close());

  const ALL = ['permit-pty', 'permit-port-forwarding', 'permit-agent-forwarding', 'permit-X11-forwarding'];
  async function enter(options: object, permits: readonly string[] = ALL) {
    const allow = { logins: ['deploy'], node_labels: { '*': ['*'] } };
    node.view.putRole('access', { allow, options });
    return await node.connect('deploy', node.userKey('joe', { permits }));
  }
  const tcp = directTcpip.encode({ host: '127.0.0.1', port: 9, originHost: '::1', originPort: 1 });
  const unix = directStreamlocal.encode({ path: '/nowhere', reservedText: '', reservedNumber: 0 });

  it.each<[string, object, readonly string[], boolean, boolean]>([
    ['roles permit both ways', {}, ALL, true, true],
    ['roles permit neither', { port_forwarding: false }, ALL, false, false],
    [
      'roles permit local only',
      { ssh_port_forwarding: { local: { enabled: true }, remote: { enabled: false } } },
      ALL,
      true,
      false,
    ],
    [
      'roles permit remote only',
      { ssh_port_forwarding: { local: { enabled: false }, remote: { enabled: true } } },
      ALL,
      false,
      true,
    ],
    ['the certificate has no permit', {}, ['permit-pty'], false, false],
  ])('S10 direct-tcpip and tcpip-forward when %s', async (_, options, permits, local, remote) => {
    const connection = await enter(options, permits);
    // Port 9 and the path answer nothing, so a permitted one fails to connect.
    for (const [type, payload] of [
      ['direct-tcpip', tcp],
      ['direct-streamlocal@openssh.com', unix],
    ] as const) {
      const opened = connection.open(type, payload, {});
      await expect(opened).rejects.toMatchObject({ details: { reason: local ? 2 : 1 } });
    }
    const reply = await connection.request(
      'tcpip-forward',
      tcpipForward.encode({ host: 'localhost', port: 0 }),
    );
    expect(reply !== undefined).toBe(remote);
    if (reply !== undefined) {
      const { port } = boundPort.decode(reply);
      const cancel = tcpipForward.encode({ host: 'localhost', port });
      expect(await connection.request('cancel-tcpip-forward', cancel)).toBeDefined();
      expect(await connection.request('cancel-tcpip-forward', cancel)).toBeUndefined();
    }
    const path = streamlocalForward.encode({ path: 'relative' });
    expect(await connection.request('streamlocal-forward@openssh.com', path)).toBeUndefined();
    const failures = node.events.filter(({ event, success }) => event === 'port' && success === false);
    expect(failures.length).toBe(remote ? 3 : 4);
  });

  it.each([
    'x11',
    'auth-agent@openssh.com',
    'forwarded-tcpip',
    'forwarded-streamlocal@openssh.com',
    'dial@gatehouse.dev',
    'peer-dial@gatehouse.dev',
    'tun@openssh.com',
    'shell',
    '',
  ])('S10 no channel of type "%s" is opened by a client', async (type) => {
    const connection = await enter({});
    await expect(connection.open(type, new Uint8Array(), {})).rejects.toMatchObject({
      details: { reason: 3 },
    });
    expect(await connection.probe()).toBe(true);
  });

  it.each(['tunnel@gatehouse.dev', 'hostkeys-prove-00@openssh.com', 'reconnect@gatehouse.dev', 'x', ''])(
    'S10 the global request "%s" is refused',
    async (name) => {
      const connection = await enter({});
      expect(await connection.request(name, new Uint8Array())).toBeUndefined();
    },
  );

  it.each(['direct-tcpip', 'direct-streamlocal@openssh.com'])(
    'S10 malformed bytes open no %s and end nothing',
    async (type) => {
      const connection = await enter({});
      await expect(connection.open(type, new Uint8Array(3), {})).rejects.toMatchObject({
        details: { reason: 1 },
      });
      expect(await connection.request('tcpip-forward', new Uint8Array(3))).toBeUndefined();
      expect(await connection.probe()).toBe(true);
    },
  );

  it('ok: after no-more-sessions no session is opened', async () => {
    const connection = await enter({});
    await connection.open('session', new Uint8Array(), {});
    expect(await connection.request('no-more-sessions@openssh.com', new Uint8Array())).toBeDefined();
    await expect(connection.open('session', new Uint8Array(), {})).rejects.toMatchObject({
      details: { reason: 1 },
    });
  });

  it('S10 a role that stops to permit ends what it permitted', async () => {
    const connection = await enter({});
    const bind = tcpipForward.encode({ host: 'localhost', port: 0 });
    const { port } = boundPort.decode((await connection.request('tcpip-forward', bind)) ?? new Uint8Array());
    const closed: string[] = [];
    const to = directTcpip.encode({ host: '127.0.0.1', port, originHost: '::1', originPort: 1 });
    await connection.open('direct-tcpip', to, { onClose: () => closed.push('local') });
    const allow = { logins: ['deploy'], node_labels: { '*': ['*'] } };
    node.view.putRole('access', { allow, options: { port_forwarding: false } });
    await until('the end of the forward', () => closed.length === 1);
    const cancel = tcpipForward.encode({ host: 'localhost', port });
    expect(await connection.request('cancel-tcpip-forward', cancel)).toBeUndefined();
    await expect(connection.open('direct-tcpip', to, {})).rejects.toMatchObject({ details: { reason: 1 } });
    expect(await connection.probe()).toBe(true);
  });
});
