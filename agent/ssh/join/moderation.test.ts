// Sessions that others must take part in (require_session_join), over the real wire: nothing before they are there,
// nothing after they have left, and no way around.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ACCOUNT, openJoinHouse, type JoinHouse, type Seat } from '#test/kit/join-house.ts';
import { letOthersWork, until } from '#test/kit/until.ts';
import {
  directTcpip,
  execRequest,
  signalRequest,
  subsystemRequest,
  tcpipForward,
} from '#wire/ssh/payloads.ts';

const NOTHING = new Uint8Array();
const POLICY = {
  name: 'four eyes',
  filter: 'contains(user.spec.roles, "auditor")',
  kinds: ['ssh'],
  modes: ['moderator'],
  count: 1,
};
const AUDITOR = {
  allow: { join_sessions: [{ name: 'a', roles: ['access'], kinds: ['ssh'], modes: ['*'] }] },
};

let house: JoinHouse;
let folder: string;
beforeEach(() => {
  house = openJoinHouse();
  folder = mkdtempSync(join(tmpdir(), 'join-'));
  house.node.view.putRole('auditor', AUDITOR);
  demand({});
});
afterEach(async () => {
  await house.close();
  rmSync(folder, { recursive: true });
});

const demand = (policy: object): void =>
  house.node.view.putRole('prod', { allow: { require_session_join: [{ ...POLICY, ...policy }] } });
const OWNER = { key: { roles: ['access', 'prod'] } };
const auditor = { key: { roles: ['auditor'] } };
const seen = (seat: Seat, text: string) => until(text, () => seat.shown.out.includes(text));
const mark = () => join(folder, 'ran');
/** Leaves a mark as soon as it runs, then answers to what is typed. */
const program = () => `stty -echo; touch ${mark()}; echo ready; while read -r x; do echo "got $x"; done`;

async function waiting(): Promise<{ owner: Seat; sid: string }> {
  const owner = await house.start('joe', program(), OWNER);
  await seen(owner, '1 moderator (four eyes)');
  const [sid] = house.sessionIds();
  return { owner, sid: sid ?? '' };
}

async function going(): Promise<{ owner: Seat; sid: string; ann: Seat }> {
  const { owner, sid } = await waiting();
  const ann = await house.join('ann', sid, 'moderator', auditor);
  await seen(owner, 'ready');
  return { owner, sid, ann };
}

describe('before the start', () => {
  it('S14 ok: nothing runs, nothing is kept that was typed; it starts when they are there', async () => {
    const { owner, sid } = await waiting();
    expect(house.announced.get(sid)).toMatchObject({ state: 'pending', moderated: true, user: 'joe' });
    owner.type('typed too early\n');
    // An observer is not what the policy asks for, nor is somebody who is no auditor.
    house.node.view.putRole('helper', AUDITOR);
    const eve = await house.join('eve', sid, 'observer', auditor);
    const bob = await house.join('bob', sid, 'moderator', { key: { roles: ['helper'] } });
    await seen(bob, 'waits for 1 moderator (four eyes)');
    bob.type('let me in\n');
    expect(existsSync(mark())).toBe(false);
    expect(house.eventsOf('session.start')).toEqual([]);
    const ann = await house.join('ann', sid, 'moderator', auditor);
    for (const seat of [owner, eve, ann]) await seen(seat, 'ready');
    owner.type('now\n');
    await seen(ann, 'got now');
    expect(owner.shown.out).not.toContain('too early');
    expect(house.announced.get(sid)).toMatchObject({ state: 'running', moderated: true });
    expect(house.eventsOf('session.start')).toHaveLength(1);
  });

  it('S14 ok: a moderator who leaves before the start has approved nothing', async () => {
    demand({ count: 2 });
    const owner = await house.start('joe', program(), OWNER);
    await seen(owner, '2 moderators');
    const sid = house.sessionIds()[0] ?? '';
    const ann = await house.join('ann', sid, 'moderator', auditor);
    ann.connection.disconnect(11, 'bye');
    await seen(owner, 'ann left');
    await house.join('eve', sid, 'moderator', auditor);
    const again = await house.join('eve', sid, 'moderator', auditor);
    await seen(again, 'waits for 2 moderators');
    expect(existsSync(mark())).toBe(false);
    await house.join('ann', sid, 'moderator', auditor);
    await seen(owner, 'ready');
  });

  it('ok: Ctrl-C gives up, and those who came are told', async () => {
    const { owner, sid } = await waiting();
    const bob = await house.join('bob', sid, 'observer', auditor);
    owner.type('\x03');
    await until('the end', () => owner.shown.isClosed && bob.shown.isClosed);
    expect(existsSync(mark())).toBe(false);
    expect(house.sessionIds()).toEqual([]);
    expect(house.announced.size).toBe(0);
  });

  it('ok: a moderator ends it before it starts', async () => {
    demand({ count: 2 });
    const owner = await house.start('joe', program(), OWNER);
    await seen(owner, '2 moderators');
    const ann = await house.join('ann', house.sessionIds()[0] ?? '', 'moderator', auditor);
    ann.type('\x14t');
    await until('the end', () => owner.shown.isClosed && ann.shown.isClosed);
    expect(owner.shown.out + owner.shown.err).toContain('ended by the moderator ann');
    expect(existsSync(mark())).toBe(false);
  });

  it('ok: the policy goes away, and the session starts', async () => {
    const { owner } = await waiting();
    house.node.view.putRole('prod', {});
    await seen(owner, 'ready');
  });

  it.each<[string, (owner: Seat) => Promise<unknown>]>([
    [
      'the owner as moderator',
      () =>
        house.join('joe', house.sessionIds()[0] ?? '', 'moderator', {
          key: { roles: ['access', 'auditor'] },
        }),
    ],
    [
      'the owner under the name of an auditor',
      () =>
        house.join('ann', house.sessionIds()[0] ?? '', 'moderator', {
          key: { roles: ['auditor'], identity: { impersonator: 'joe' } },
        }),
    ],
    ['a signal', (owner) => owner.request('signal', signalRequest.encode({ signal: 'USR1' }))],
    [
      'a second program on the channel',
      (owner) => owner.request('exec', execRequest.encode({ command: program() })),
    ],
  ])('S14 refuses: %s does not start it', async (_name, attempt) => {
    const { owner, sid } = await waiting();
    await attempt(owner);
    await house.join('zoe', sid, 'observer', auditor);
    await seen(owner, 'zoe joined');
    expect(existsSync(mark())).toBe(false);
    expect(house.announced.get(sid)?.state).toBe('pending');
  });
});

describe('ways around', () => {
  it('S14 S10 refuses: commands without a terminal, files, and every forward', async () => {
    const { node } = house;
    const connection = await node.connect(
      ACCOUNT,
      node.userKey('joe', { roles: ['access', 'prod'], principals: [ACCOUNT] }),
    );
    for (const [request, payload] of [
      ['exec', execRequest.encode({ command: program() })],
      ['shell', NOTHING],
      ['subsystem', subsystemRequest.encode({ name: 'sftp' })],
      ['auth-agent-req@openssh.com', NOTHING],
    ] as const) {
      const channel = await connection.open('session', NOTHING, {});
      expect(await channel.request(request, payload), request).toBe(false);
    }
    const target = { host: '127.0.0.1', port: 22, originHost: '127.0.0.1', originPort: 1 };
    await expect(connection.open('direct-tcpip', directTcpip.encode(target), {})).rejects.toThrow();
    expect(
      await connection.request('tcpip-forward', tcpipForward.encode({ host: '', port: 0 })),
    ).toBeUndefined();
    expect(existsSync(mark())).toBe(false);
    expect(house.eventsOf('session.rejected').map(({ reason }) => String(reason))).toEqual(
      Array(3).fill(expect.stringContaining('require_session_join')),
    );
  });

  it('S14 refuses: a command without a terminal goes on when roles come to ask for company', async () => {
    house.node.view.putRole('prod', {});
    const { node } = house;
    const key = node.userKey('joe', { roles: ['access', 'prod'], principals: [ACCOUNT] });
    const connection = await node.connect(ACCOUNT, key);
    let [out, err, isClosed] = ['', '', false];
    const channel = await connection.open('session', NOTHING, {
      onData: (data) => void (out += data.toString()),
      onStderr: (data) => void (err += data.toString()),
      onClose: () => void (isClosed = true),
    });
    await channel.request('exec', execRequest.encode({ command: 'echo up; exec cat' }));
    await until('the command', () => out === 'up\n');
    demand({});
    await until('its end', () => isClosed);
    expect(err).toContain('require others to join');
  });
});

describe('while it goes on', () => {
  it('S14 ok: it ends when the moderator leaves and the policy says nothing else', async () => {
    const { owner, ann } = await going();
    ann.type('\x03');
    await until('the end', () => owner.shown.isClosed);
    expect(owner.shown.out).toContain('those who must take part in it are not there any more');
    await until('the events', () => house.eventsOf('session.end').length === 1);
    expect(house.eventsOf('client.disconnect')).toHaveLength(1);
  });

  it('S14 ok: it pauses when they leave, shows nothing, takes nothing, and goes on when they are back', async () => {
    demand({ on_leave: 'pause' });
    const { owner, sid, ann } = await going();
    owner.type('one\n');
    await seen(owner, 'got one');
    const peer = await house.join('pat', sid, 'peer', auditor);
    ann.connection.disconnect(11, 'bye');
    await seen(owner, 'the session waits for 1 moderator');
    expect(house.announced.get(sid)?.state).toBe('pending');
    owner.type('two\n');
    peer.type('three\n');
    await owner.request('signal', signalRequest.encode({ signal: 'INT' }));
    await house.join('ann', sid, 'moderator', auditor);
    await seen(owner, 'the session goes on');
    owner.type('four\n');
    await seen(owner, 'got four');
    expect(owner.shown.out).not.toMatch(/got (two|three)/);
  });

  it('S14 ok: what the program shows while nobody may see it comes when they are back', async () => {
    demand({ on_leave: 'pause' });
    const command = `while [ ! -e ${folder}/go ]; do sleep 0.02; done; echo secret; touch ${mark()}; read -r x`;
    const owner = await house.start('joe', command, OWNER);
    await seen(owner, '1 moderator');
    const sid = house.sessionIds()[0] ?? '';
    const ann = await house.join('ann', sid, 'moderator', auditor);
    await seen(ann, 'the session starts');
    ann.connection.disconnect(11, 'bye');
    await seen(owner, 'the session waits for');
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(folder, 'go'), '');
    await until('the output to be made', () => existsSync(mark()));
    const bob = await house.join('bob', sid, 'observer', auditor);
    await seen(bob, 'the session waits for');
    expect(owner.shown.out + bob.shown.out).not.toContain('secret');
    await house.join('ann', sid, 'moderator', auditor);
    await seen(owner, 'secret');
    await seen(bob, 'secret');
  });

  it.each<[string, () => void]>([
    ['the role that lets them join is changed', () => house.node.view.putRole('auditor', {})],
    ['they are locked', () => house.node.view.setLocks([{ name: 'l', target: { user: 'ann' } }])],
  ])('S14 S16 ok: it ends when %s', async (_name, change) => {
    const { owner } = await going();
    change();
    await until('the end', () => owner.shown.isClosed);
  });

  it('S14 ok: a policy that comes in the middle pauses the session until it is met', async () => {
    house.node.view.putRole('prod', {});
    const owner = await house.start('joe', program(), OWNER);
    await seen(owner, 'ready');
    demand({});
    await seen(owner, 'the session waits for 1 moderator (four eyes)');
    owner.type('unseen\n');
    await house.join('ann', house.sessionIds()[0] ?? '', 'moderator', auditor);
    await seen(owner, 'the session goes on');
    owner.type('seen\n');
    await seen(owner, 'got seen');
    expect(owner.shown.out).not.toContain('got unseen');
  });

  it('S14 refuses: a moderator cannot let go on what lacks another one', async () => {
    demand({ count: 2, on_leave: 'pause' });
    const owner = await house.start('joe', program(), OWNER);
    await seen(owner, '2 moderators');
    const sid = house.sessionIds()[0] ?? '';
    const ann = await house.join('ann', sid, 'moderator', auditor);
    ann.type('\x14c');
    const bob = await house.join('bob', sid, 'moderator', auditor);
    await seen(owner, 'ready');
    bob.connection.disconnect(11, 'bye');
    await seen(owner, 'waits for 2 moderators');
    ann.type('\x14c');
    owner.type('unseen\n');
    await house.join('zoe', sid, 'observer', auditor);
    await seen(owner, 'zoe joined');
    expect(house.announced.get(sid)?.state).toBe('pending');
    expect(owner.shown.out).not.toContain('got unseen');
  });

  it('S14 ok: a moderator who does not take the output holds the program back', async () => {
    const owner = await house.start('joe', 'yes 1234567', OWNER);
    await seen(owner, '1 moderator');
    const sid = house.sessionIds()[0] ?? '';
    const stuck = await house.join('ann', sid, 'moderator', { ...auditor, isStuck: true });
    await until('the window to be full', () => stuck.shown.out.length > 2 * 1024 ** 2 - 65_536);
    for (let i = 0; i < 200; i++) {
      await owner.connection.probe();
      await letOthersWork();
    }
    // The window of the moderator, and what its connection buffers.
    const shown = owner.shown.out.length;
    expect(shown).toBeLessThan(6 * 1024 ** 2);
    stuck.channel.consumed(stuck.shown.out.length);
    await until('more', () => owner.shown.out.length > shown);
  });

  it('S33 ok: an observer who does not take the output misses it, and nobody waits', async () => {
    house.node.view.putRole('prod', {});
    const owner = await house.start('joe', 'head -c 8000000 /dev/zero | tr "\\\\0" x; read -r x', OWNER);
    const stuck = await house.join('ann', house.sessionIds()[0] ?? '', 'observer', {
      ...auditor,
      isStuck: true,
    });
    await until('all of it', () => owner.shown.out.length >= 8_000_000);
    expect(stuck.shown.out.length).toBeLessThan(4 * 1024 ** 2);
    stuck.channel.consumed(stuck.shown.out.length);
    await seen(stuck, 'some output was left out');
  });
});
