// Which agents are asked for a target, and in which order.
import { expect, it } from 'vitest';
import { compileAccess } from '#core/access/compile.ts';
import { candidatesFor, type Candidates, type CandidateGround, type TargetServer } from './candidates.ts';

const access = compileAccess(
  [{ name: 'dba', allow: { db_labels: { env: ['test'] } }, deny: {}, options: {} }],
  { name: 'joe', roles: ['dba'], traits: {} },
);
const server = (hostId: string, env = 'test'): TargetServer => ({ hostId, proxyIds: [], labels: { env } });
const candidates = (more: Partial<CandidateGround>): Candidates =>
  candidatesFor({
    service: 'db',
    target: 'orders',
    servers: [],
    access,
    isLocked: () => false,
    isNear: () => false,
    ...more,
  });
const ids = ({ open }: Candidates): string[] => open.map(({ hostId }) => hostId);

it('ok: those with a tunnel here first, each of the rest as likely', () => {
  const servers = ['a', 'b', 'c', 'd'].map((id) => server(id));
  const firsts = new Set<string>();
  for (let n = 0; n < 200; n++) {
    const order = ids(candidates({ servers, isNear: (id) => id === 'c' }));
    expect(order[0]).toBe('c');
    expect(order.toSorted()).toEqual(['a', 'b', 'c', 'd']);
    firsts.add(order[1] ?? '');
  }
  expect([...firsts].toSorted()).toEqual(['a', 'b', 'd']);
});

it('S12 refuses: agents whose document the roles do not show, of two that say different things', () => {
  expect(ids(candidates({ servers: [server('a', 'prod'), server('b')] }))).toEqual(['b']);
  const hidden = candidates({ servers: [server('a', 'prod')] });
  expect(hidden).toMatchObject({ open: [], isLocked: false });
  expect(hidden.reasons).toEqual([expect.stringContaining('no role of the user selects')]);
});

it('refuses: locked agents, and says so', () => {
  const locked = candidates({ servers: [server('a'), server('b')], isLocked: (id) => id === 'a' });
  expect(ids(locked)).toEqual(['b']);
  expect(candidates({ servers: [server('a')], isLocked: () => true })).toMatchObject({ isLocked: true });
  expect(candidates({}).reasons).toEqual(['no agent announces a target of this name']);
});
