import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from './compile.ts';
import { joinModes } from './join-sessions.ts';
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
});
