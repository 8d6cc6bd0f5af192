import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from './compile.ts';
import { decideGuest, decideJoin, joinModes } from './join-sessions.ts';
import type { JoinPolicy } from './role.ts';

const set = (allow: readonly JoinPolicy[], deny: readonly JoinPolicy[] = []): AccessSet =>
  compileAccess(
    [{ name: 'helper', allow: { join_sessions: allow }, deny: { join_sessions: deny }, options: {} }],
    { name: 'joe', roles: ['helper'], traits: { team: ['web'] } },
  );
const policy = (more: Partial<JoinPolicy>): JoinPolicy => ({ name: 'p', ...more });
const ALL = policy({ roles: ['*'], kinds: ['*'], modes: ['*'] });

describe('join_sessions', () => {
  it.each<[string, AccessSet, readonly string[]]>([
    ['everything', set([ALL]), ['observer', 'moderator', 'peer']],
    ['one mode', set([policy({ roles: ['dev'], kinds: ['ssh'], modes: ['observer'] })]), ['observer']],
    ['a glob', set([policy({ roles: ['d*'], kinds: ['ssh'], modes: ['peer'] })]), ['peer']],
    ['a trait', set([policy({ roles: ['{{external.team}}'], kinds: ['ssh'], modes: ['peer'] })]), ['peer']],
    [
      'less what is denied',
      set([ALL], [policy({ roles: ['dev'], modes: ['peer'] })]),
      ['observer', 'moderator'],
    ],
  ])('ok: %s', (_name, access, modes) => {
    expect(joinModes(access, { kind: 'ssh', hostRoles: ['dev', 'web'] })).toEqual(modes);
  });

  it.each<[string, AccessSet]>([
    ['no policy', set([])],
    ['another role', set([policy({ roles: ['ops'], kinds: ['ssh'], modes: ['*'] })])],
    ['another kind', set([policy({ roles: ['dev'], kinds: ['k8s'], modes: ['*'] })])],
    ['no kinds, modes or roles', set([policy({ roles: ['dev'] }), policy({ kinds: ['*'], modes: ['*'] })])],
    ['a deny that says nothing more', set([ALL], [policy({})])],
    ['a deny on one of the roles', set([ALL], [policy({ roles: ['web'] })])],
  ])('refuses: %s', (_name, access) => {
    expect(joinModes(access, { kind: 'ssh', hostRoles: ['dev', 'web'] })).toEqual([]);
  });

  it('S14 refuses: a session of somebody without roles', () => {
    expect(joinModes(set([ALL]), { kind: 'ssh', hostRoles: [] })).toEqual([]);
  });

  const own = { kind: 'ssh', hostRoles: ['dev'], isOwn: true };

  it('ok: the own session, by no role', () => {
    expect(joinModes(set([]), own)).toEqual(['observer', 'peer']);
    expect(decideJoin(set([]), own, 'peer')).toMatchObject({ allowed: true });
  });

  it.each<[string, AccessSet, string]>([
    ['a deny, also for the own session', set([ALL], [policy({})]), 'role "helper" forbids to join as peer'],
    ['what no role lets', set([]), 'no role lets the user join sessions of "dev" as peer'],
  ])('S14 refuses: %s, with the reason', (name, access, text) => {
    const isOwn = name.includes('own');
    const decision = decideJoin(access, { ...own, isOwn }, 'peer');
    expect(decision).toMatchObject({ allowed: false, reasons: [{ text: expect.stringContaining(text) }] });
  });

  it('S14 refuses: nobody moderates the own session', () => {
    expect(decideJoin(set([]), own, 'moderator').allowed).toBe(false);
  });

  it('ok: decisions agree with the modes', () => {
    for (const access of [set([ALL]), set([]), set([ALL], [policy({ roles: ['dev'], modes: ['peer'] })])]) {
      for (const mode of ['peer', 'observer', 'moderator'] as const) {
        const request = { kind: 'ssh', hostRoles: ['dev'] };
        expect(decideJoin(access, request, mode).allowed).toBe(joinModes(access, request).includes(mode));
      }
    }
  });

  it('ok: whoever has a role may come to ask; nobody without', () => {
    expect(decideGuest(set([])).allowed).toBe(true);
    expect(decideGuest(compileAccess([], { name: 'joe', roles: [], traits: {} })).allowed).toBe(false);
  });
});
