// Joining over the real wire, with real terminals: who sees what, who may type, and what is put on record.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ACCOUNT, openJoinHouse, type JoinHouse, type Seat } from '#test/kit/join-house.ts';
import { until } from '#test/kit/until.ts';
import { JOIN_LOGIN } from '#core/access/ssh-access.ts';
import { JOIN_REQUESTS } from '#wire/join-request.ts';
import {
  directTcpip,
  execRequest,
  subsystemRequest,
  tcpipForward,
  windowChange,
} from '#wire/ssh/payloads.ts';

const ECHO = 'stty -echo; echo ready; while read -r x; do echo "got $x"; done';
const HELPER = {
  allow: { join_sessions: [{ name: 'help', roles: ['access'], kinds: ['ssh'], modes: ['*'] }] },
};
const NOTHING = new Uint8Array();

let house: JoinHouse;
beforeEach(() => {
  house = openJoinHouse();
  house.node.view.putRole('helper', HELPER);
});
afterEach(() => house.close());

async function started(): Promise<{ owner: Seat; sid: string }> {
  const owner = await house.start('joe', ECHO);
  await until('the program', () => owner.shown.out.includes('ready'));
  const [sid] = house.sessionIds();
  return { owner, sid: sid ?? '' };
}
const helper = { key: { roles: ['helper'], principals: ['nothing-here'] } };
const seen = (seat: Seat, text: string) => until(text, () => seat.shown.out.includes(text));

describe('taking part', () => {
  it('ok: peers type and see, observers see, and all are told who is there', async () => {
    const { owner, sid } = await started();
    const peer = await house.join('ann', sid, 'peer', helper);
    const observer = await house.join('eve', sid, undefined, helper);
    await seen(owner, '[gatehouse] eve joined as observer');
    await seen(peer, '[gatehouse] eve joined as observer');
    expect(observer.shown.out).toContain('ready');
    observer.type('from eve\n');
    peer.type('from ann\n');
    for (const seat of [owner, peer, observer]) await seen(seat, 'got from ann');
    expect(owner.shown.out).not.toContain('from eve');
    expect(house.announced.get(sid)).toMatchObject({
      state: 'running',
      moderated: false,
      participants: [{ user: 'joe' }, { user: 'ann', mode: 'peer' }, { user: 'eve', mode: 'observer' }],
    });
    observer.type('\x03');
    await until('the end of the observer', () => observer.shown.isClosed);
    expect(observer.shown.code).toBe(0);
    owner.channel.close();
    await until('the end of the peer', () => peer.shown.isClosed);
    expect(peer.shown.out).toContain('the session is over');
    await until('the events', () => house.eventsOf('session.end').length === 1);
    expect(house.eventsOf('session.join').map(({ user, mode }) => `${String(user)} ${String(mode)}`)).toEqual(
      ['ann peer', 'eve observer'],
    );
    expect(house.eventsOf('session.join')[0]).toMatchObject({
      sid,
      login: ACCOUNT,
      'addr.remote': '203.0.113.9:4711',
    });
    expect(house.eventsOf('session.leave').map(({ user }) => user)).toEqual(['eve', 'ann']);
    expect(house.eventsOf('session.end')[0]).toMatchObject({ participants: ['joe', 'ann', 'eve'] });
    expect(house.announced.size).toBe(0);
    expect(house.sessionIds()).toEqual([]);
  });

  it('ok: the terminal is as small as that of the smallest who types', async () => {
    const { owner, sid } = await started();
    const observer = await house.join('eve', sid, 'observer', { ...helper, columns: 30, rows: 10 });
    await until('the size', () => observer.shown.size === '100x30');
    const peer = await house.join('ann', sid, 'peer', { ...helper, columns: 90, rows: 40 });
    await until('the shared size', () => observer.shown.size === '90x30');
    const change = (columns: number, rows: number): Uint8Array =>
      windowChange.encode({ columns, rows, widthPixels: 0, heightPixels: 0 });
    await owner.request('window-change', change(120, 20));
    await until('the smaller height', () => observer.shown.size === '90x20');
    await peer.request('window-change', change(1, 1));
    await until('no useless window', () => observer.shown.size === '20x5');
    peer.connection.disconnect(11, 'bye');
    await until('the size of the owner', () => observer.shown.size === '120x20');
    expect(house.eventsOf('resize').map(({ size }) => size)).toEqual(['90:30', '90:20', '20:5', '120:20']);
  });

  it('ok: moderators may end, pause and let go on, others may not', async () => {
    const { owner, sid } = await started();
    const observer = await house.join('eve', sid, 'observer', helper);
    const moderator = await house.join('ann', sid, 'moderator', helper);
    expect(await observer.request(JOIN_REQUESTS.terminate)).toBe(false);
    observer.type('\x14t');
    expect(await moderator.request(JOIN_REQUESTS.pause)).toBe(true);
    await seen(owner, 'paused by a moderator');
    expect(house.announced.get(sid)?.state).toBe('pending');
    owner.type('typed while paused\n');
    moderator.type('\x14c');
    await seen(owner, 'the session goes on');
    owner.type('after\n');
    await seen(moderator, 'got after');
    expect(owner.shown.out).not.toContain('typed while paused');
    moderator.type('\x14t');
    await until('the end', () => owner.shown.isClosed && observer.shown.isClosed && moderator.shown.isClosed);
    expect(owner.shown.out).toContain('ended by the moderator ann');
    expect(house.eventsOf('client.disconnect')[0]).toMatchObject({
      sid,
      reason: 'ended by the moderator ann',
    });
  });

  it('ok: the own session, from another place and without a role for it', async () => {
    const { owner, sid } = await started();
    const again = await house.join('joe', sid, 'peer');
    again.type('it is me\n');
    await seen(owner, 'got it is me');
  });

  it('S27 ok: names are shown without what moves a cursor', async () => {
    const { owner, sid } = await started();
    await house.join('an\u001b[2Jn\u202ea', sid, 'observer', helper);
    await seen(owner, '[gatehouse] an?[2Jn?a joined as observer');
  });
});

describe('who may not', () => {
  const refused = async (
    name: string,
    mode: 'peer' | 'observer' | 'moderator',
    key: object,
  ): Promise<Seat> => {
    const { sid } = await started();
    const seat = await house.join(name, sid, mode, { key });
    await until('the refusal', () => seat.shown.isClosed);
    expect(seat.shown).toMatchObject({ code: 254, out: '' });
    return seat;
  };

  it.each<['peer' | 'observer' | 'moderator', string, object]>([
    ['observer', 'no role that lets', { roles: ['access'] }],
    ['moderator', 'the own session', { roles: ['access'], identity: { name: 'joe' } }],
    ['observer', 'a role that forbids', { roles: ['helper', 'not-this'] }],
    ['peer', 'a certificate without a terminal', { roles: ['helper'], permits: [] }],
    [
      'observer',
      'a certificate for one command',
      { roles: ['helper'], criticalOptions: { 'force-command': 'id' } },
    ],
  ])('S14 refuses: %s: %s, with a denial that admins can look up', async (mode, _why, key) => {
    house.node.view.putRole('not-this', { deny: { join_sessions: [{ name: 'no', roles: ['access'] }] } });
    const seat = await refused('eve', mode, key);
    const [denied] = house.eventsOf('access.denied');
    expect(seat.shown.err).toBe(`access denied (denial ${String(denied?.['denial_id'])})\r\n`);
    expect(denied).toMatchObject({
      action: `join as ${mode}`,
      resource: expect.stringMatching(/^session\//),
    });
    expect(house.eventsOf('session.rejected')).toHaveLength(1);
    expect(house.eventsOf('session.join')).toEqual([]);
  });

  it('S16 refuses: whose lock is on the account of the session', async () => {
    house.node.view.setLocks([{ name: 'l', target: { login: ACCOUNT, user: 'eve' }, message: 'not now' }]);
    const seat = await refused('eve', 'observer', { roles: ['helper'] });
    expect(seat.shown.err).toContain('not now');
  });

  it('refuses: sessions that are not there, words that are no mode, a second subsystem', async () => {
    const { sid } = await started();
    const seat = await house.join('eve', '4c146ec8-eab6-41e6-b1b3-40167e68e931', 'observer', helper);
    await until('the refusal', () => seat.shown.isClosed);
    expect(seat.shown.err).toContain('no such session');
    const odd = await house.join('eve', sid, 'root' as 'peer', helper);
    await until('the refusal of the mode', () => odd.shown.isClosed);
    const twice = await house.join('eve', sid, 'observer', helper);
    expect(await twice.request('subsystem', subsystemRequest.encode({ name: `join:${sid}` }))).toBe(false);
  });

  it('S10 refuses: everything else that such a login could ask for', async () => {
    const { sid } = await started();
    const { connection, request } = await house.join('eve', sid, 'observer', helper);
    expect(await request('shell')).toBe(false);
    expect(await request('exec', execRequest.encode({ command: 'id' }))).toBe(false);
    expect(await request('auth-agent-req@openssh.com')).toBe(false);
    const bare = await connection.open('session', NOTHING, {});
    expect(await bare.request('subsystem', subsystemRequest.encode({ name: 'sftp' }))).toBe(false);
    const target = { host: '127.0.0.1', port: 22, originHost: '127.0.0.1', originPort: 1 };
    await expect(connection.open('direct-tcpip', directTcpip.encode(target), {})).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    const bind = tcpipForward.encode({ host: '127.0.0.1', port: 0 });
    expect(await connection.request('tcpip-forward', bind)).toBeUndefined();
  });

  it('S17 refuses: people without roles, and certificates of another cluster', async () => {
    const { node } = house;
    for (const key of [{ roles: [] }, { roles: ['helper'], identity: { cluster: 'other' } }]) {
      await expect(node.connect(JOIN_LOGIN, node.userKey('eve', key))).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
      });
    }
  });

  it('S14 S16 ok: who loses the role, or is locked, is out at once', async () => {
    const { owner, sid } = await started();
    const ann = await house.join('ann', sid, 'peer', helper);
    const eve = await house.join('eve', sid, 'observer', helper);
    house.node.view.setLocks([{ name: 'l', target: { user: 'eve' } }]);
    await until('the cut', () => eve.shown.isClosed);
    house.node.view.putRole('helper', {});
    await until('the end of the peer', () => ann.shown.isClosed);
    ann.type('still here\n');
    owner.type('alone\n');
    await seen(owner, 'got alone');
    expect(owner.shown.out).not.toContain('still here');
    expect(house.eventsOf('session.leave').map(({ user }) => user)).toEqual(['eve', 'ann']);
  });
});
