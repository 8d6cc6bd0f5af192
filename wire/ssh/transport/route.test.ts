// The state machine towards a peer, asked every question: each message number in each state, first of the pure function
// and then over the wire, by a peer that keeps no rules.
import { expect, test } from 'vitest';
import { openAgainstRaw, settle } from '#test/kit/ssh-transport.ts';
import { MSG } from '../messages.ts';
import { routeOf, type Moment, type Route } from './route.ts';

const ALL = Array.from({ length: 256 }, (_, number) => number);
const range = (from: number, to: number): number[] => ALL.slice(from, to + 1);

/** What is neither refused nor unimplemented, said again in words of its own. */
const TAKEN: Readonly<Record<string, Partial<Record<Route, readonly number[]>>>> = {
  'server first-keys': { disconnect: [1], exchange: [0, ...range(2, 255)] },
  'client first-keys': { disconnect: [1], exchange: [0, ...range(2, 255)] },
  'server login': { disconnect: [1], ignore: [2, 3, 4], up: [5, 50] },
  'client login': {
    disconnect: [1],
    ignore: [2, 3, 4],
    up: [6, 51, 52, 53, ...range(60, 79)],
    extensions: [7],
  },
  'server open': {
    disconnect: [1],
    ignore: [2, 3, 4, 50, 193],
    exchange: [20],
    ping: [192],
    up: range(80, 127),
  },
  'client open': { disconnect: [1], ignore: [2, 3, 4, 193], exchange: [20], ping: [192], up: range(80, 127) },
};
/** What nobody has a meaning for: answered so, as RFC 4253 11.4 asks. */
const UNKNOWN = [...range(8, 19), ...range(22, 29), ...range(128, 191), ...range(194, 255)];

function expected(number: number, state: string): Route {
  const taken = Object.entries(TAKEN[state] ?? {}).find(([, numbers]) => numbers.includes(number));
  if (taken !== undefined) return taken[0] as Route;
  return UNKNOWN.includes(number) ? 'unimplemented' : 'refuse';
}

const states = Object.keys(TAKEN).map((state) => {
  const [role, stage] = state.split(' ') as [Moment['role'], Moment['stage']];
  return { state, role, stage };
});

test.each(states)('S29 ok: every message in the state "$state"', ({ state, role, stage }) => {
  const moment = { role, stage, isRekeying: false, isFirstSealed: false };
  expect(ALL.map((number) => `${number} ${routeOf(number, moment)}`)).toEqual(
    ALL.map((number) => `${number} ${expected(number, state)}`),
  );
});

test.each(['server', 'client'] as const)(
  'S29 refuses: all but the exchange while the %s gets new keys',
  (role) => {
    const moment = { role, stage: 'open', isRekeying: true, isFirstSealed: false } as const;
    for (const number of ALL) {
      const route = number === 1 ? 'disconnect' : [2, 3, 4].includes(number) ? 'ignore' : 'exchange';
      expect(routeOf(number, moment), String(number)).toBe(route);
    }
  },
);

test('ok: extensions as the first message under the first keys, from either end', () => {
  for (const role of ['server', 'client'] as const) {
    expect(routeOf(MSG.extInfo, { role, stage: 'login', isRekeying: false, isFirstSealed: true })).toBe(
      'extensions',
    );
  }
});

// Over the wire. A body of zeros is malformed for whatever the exchange waits for, so nothing may survive.
const early = [
  { where: 'after the version', stopBefore: MSG.kexInit },
  { where: 'after the lists of a client', role: 'server', stopBefore: MSG.kexFirst },
  { where: 'after the lists of a server', role: 'client', stopBefore: MSG.kexReply },
  { where: 'before NEWKEYS', stopBefore: MSG.newKeys },
] as const;

test.each(
  early.flatMap((state) =>
    (['server', 'client'] as const)
      .filter((role) => !('role' in state) || state.role === role)
      .map((role) => ({ ...state, role })),
  ),
)('S29 refuses: every message to a $role $where', async ({ role, stopBefore }) => {
  for (const number of ALL) {
    const { clock, end, peer } = await openAgainstRaw(role, { stopBefore });
    expect(end.isClosed, 'the handshake itself is sound').toBe(false);
    peer.send(Buffer.from([number, 0, 0, 0, 0, 0, 0, 0, 0]));
    await settle(clock, 3);
    expect({ number, isClosed: end.isClosed, up: end.messages.length, isReady: end.isReady }).toEqual({
      number,
      isClosed: true,
      up: 0,
      isReady: false,
    });
  }
});

test.each(['server', 'client'] as const)(
  'S29 refuses: what does not belong before the login of a %s',
  async (role) => {
    for (const number of ALL) {
      const { clock, end, peer } = await openAgainstRaw(role);
      expect(end.isReady).toBe(true);
      peer.send(Uint8Array.of(MSG.ignore));
      peer.send(Buffer.from([number, 0, 0, 0, 0, 0, 0, 0, 0]));
      await settle(clock, 3);
      const route = expected(number, `${role} login`);
      expect({ number, up: end.messages.length }).toEqual({ number, up: route === 'up' ? 1 : 0 });
      const isAnswered = peer.numbers.includes(MSG.unimplemented);
      expect({ number, isAnswered }).toEqual({ number, isAnswered: route === 'unimplemented' });
      const isClosed = ['refuse', 'disconnect', 'extensions'].includes(route);
      expect({ number, isClosed: end.isClosed }).toEqual({ number, isClosed });
      end.transport.destroy();
    }
  },
);
