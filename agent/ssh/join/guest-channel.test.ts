// What the parts of a seat do by themselves: keys, the output that newcomers see, and slow people.
import { describe, expect, it } from 'vitest';
import { joinSubsystem } from '#wire/join-request.ts';
import { subsystemRequest } from '#wire/ssh/payloads.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { silentLog } from '#core/log.ts';
import type { AgentEvent, SshAccess, SshHost } from '../context.ts';
import { GuestChannel } from './guest-channel.ts';
import { GuestKeys } from './guest-keys.ts';
import { Party } from './party.ts';
import type { Stage } from './people.ts';
import { OutputTail } from './tail.ts';
import { notice } from './words.ts';

const SID = '4c146ec8-eab6-41e6-b1b3-40167e68e931';

function setUp() {
  const clock = new FakeClock(0);
  const events: AgentEvent[] = [];
  const host = {
    clock,
    log: silentLog,
    hostId: 'h',
    hostname: 'h',
    labels: () => ({}),
  } as unknown as SshHost;
  const anyMode = { name: 'p', count: 1, modes: ['*'], onLeave: 'pause', counts: () => true } as const;
  const access = (name: string, duties: SshAccess['duties'] = []): SshAccess =>
    ({ identity: { name }, login: 'root', duties, roles: [] }) as unknown as SshAccess;
  const says: string[] = [];
  const party = new Party({
    id: SID,
    host: { ...host, emit: (event) => void events.push(event) },
    owner: access('joe', [{ role: 'r', anyOf: [anyMode] }]),
    size: { columns: 80, rows: 24 },
    tell: (text) => void says.push(text),
    onChange: () => {},
    onOver: () => void says.push('over'),
  });
  const calls: string[] = [];
  const call = (name: string) => () => void calls.push(name);
  const stage: Stage = {
    type: call('type'),
    fit: call('fit'),
    hold: call('hold'),
    release: call('release'),
    caughtUp: call('caughtUp'),
    tell: (text) => void says.push(text),
    hangUp: call('hangUp'),
  };
  const guest = (name: string) => {
    const channel = { isOpen: true, room: true, got: '', isClosed: false };
    const seat = new GuestChannel({
      clock,
      access: access(name),
      find: () => party,
      refusal: () => undefined,
      onReview: () => () => {},
    });
    seat.channel = {
      isOpen: true,
      write(data: Uint8Array) {
        channel.got += Buffer.from(data).toString();
        return channel.room;
      },
      writeStderr(data: Uint8Array) {
        channel.got += Buffer.from(data).toString();
        return true;
      },
      notify: () => {},
      consumed: () => {},
      end: () => {},
      close: () => void (channel.isClosed = true),
    } as unknown as Channel;
    const enter = () => seat.onRequest('subsystem', subsystemRequest.encode({ name: joinSubsystem(SID) }));
    return { seat, channel, enter };
  };
  return { clock, events, party, stage, calls, says, guest };
}

describe('slow people', () => {
  it('S14 ok: who must see everything holds the session, for half a minute', async () => {
    const { clock, events, party, stage, calls, guest } = setUp();
    const { seat, channel, enter } = guest('ann');
    const admitted = party.admitted();
    expect(enter()).toBe(true);
    await admitted;
    party.begin(stage);
    channel.room = false;
    expect(party.show(Buffer.from('a'))).toBe(false);
    expect(party.show(Buffer.from('b'))).toBe(false);
    channel.room = true;
    calls.length = 0;
    seat.onDrain();
    expect(calls).toEqual(['caughtUp']);
    expect(channel.got).toContain('ab');
    channel.room = false;
    party.show(Buffer.from('c'));
    await clock.advance(29_000);
    expect(channel.isClosed).toBe(false);
    await clock.advance(1000);
    expect(channel.isClosed).toBe(true);
    expect(events.at(-1)).toMatchObject({
      event: 'session.leave',
      user: 'ann',
      reason: expect.stringContaining('slow'),
    });
    expect(party.isHeld).toBe(true);
    expect(calls).toContain('hold');
  });

  it('refuses: more people than a session takes', () => {
    const { party, guest } = setUp();
    void party.admitted();
    for (let i = 0; i < 50; i++) guest(`u${i}`).enter();
    const late = guest('late');
    late.enter();
    expect(late.channel).toMatchObject({ isClosed: true, got: expect.stringContaining('50 people') });
    expect(party.guests).toHaveLength(50);
  });
});

describe('before the program is there', () => {
  it('S14 ok: who leaves between approval and start takes the approval away', async () => {
    const { party, stage, calls, guest } = setUp();
    const { seat, enter } = guest('ann');
    const admitted = party.admitted();
    enter();
    await admitted;
    seat.onClose();
    expect(party.isHeld).toBe(true);
    let isAdmitted = false;
    const again = party.admitted().then(() => (isAdmitted = true));
    party.review();
    await Promise.resolve();
    expect(isAdmitted).toBe(false);
    guest('bob').enter();
    await again;
    // And between that and the first byte.
    party.guests.forEach((one) => party.leave(one));
    party.begin(stage);
    expect(party.isHeld).toBe(true);
    expect(calls).toEqual(['hold']);
  });

  it('refuses: to start after the owner has gone', async () => {
    const { party, stage, calls, says } = setUp();
    const admitted = party.admitted();
    party.over();
    await expect(admitted).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(party.admitted()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    party.begin(stage);
    party.over();
    expect(calls).toEqual(['hangUp']);
    expect(says.filter((text) => text === 'over')).toHaveLength(1);
  });
});

describe('keys of those who watch', () => {
  it.each<[string, string[]]>([
    ['ls -l\r', []],
    ['\x03', ['leave']],
    ['\x14t', ['terminate']],
    ['\x14P', ['pause']],
    ['\x14c', ['resume']],
    ['t\x14xt', []],
    ['\x14\x14t', ['terminate']],
    ['\x14t\x14t\x14p', ['terminate', 'pause']],
  ])('ok: %j', (typed, commands) => expect(new GuestKeys().read(Buffer.from(typed))).toEqual(commands));

  it('ok: key by key', () => {
    const keys = new GuestKeys();
    expect(keys.read(Buffer.from('\x14'))).toEqual([]);
    expect(keys.read(Buffer.from('t'))).toEqual(['terminate']);
  });
});

describe('what newcomers see', () => {
  it('ok: all of a little, the last lines of much', () => {
    const tail = new OutputTail();
    expect(tail.read().toString()).toBe('');
    tail.add(Buffer.from('$ '));
    expect(tail.read().toString()).toBe('$ ');
    for (let i = 0; i < 1000; i++) tail.add(Buffer.from(`line ${i}\n`));
    expect(tail.read().toString()).toMatch(/^line \d+\n(.|\n)*line 999\n$/);
    expect(tail.read().length).toBeLessThanOrEqual(4096);
    tail.add(Buffer.alloc(100_000, 'x'));
    expect(tail.read().toString()).toBe('x'.repeat(4096));
  });

  it('S27 ok: words of the service are one line without control characters', () => {
    expect(notice('a\r\nb\u001b[31m\u202e')).toBe('\r\n[gatehouse] a??b?[31m?\r\n');
    expect(notice('x'.repeat(5000)).length).toBeLessThan(1100);
  });
});
