import { describe, expect, it } from 'vitest';
import { compileAccess, type AccessSet } from './compile.ts';
import type { JoinMode } from './join-sessions.ts';
import { actionOnLeave, describeDuty, joinDuties, unmetDuties, type Attendant } from './require-join.ts';
import type { AccessRole, RequireJoinPolicy, Subject } from './role.ts';

const role = (name: string, policies: readonly Partial<RequireJoinPolicy>[], side = 'allow'): AccessRole => ({
  name,
  allow: {},
  deny: {},
  options: {},
  [side]: { require_session_join: policies.map((policy) => ({ name: 'oversight', ...policy })) },
});
const set = (...roles: readonly AccessRole[]): AccessSet =>
  compileAccess(roles, { name: 'joe', roles: roles.map(({ name }) => name), traits: {} });
const person = (name: string, ...roles: string[]): Subject => ({ name, roles, traits: {} });
const joined = (name: string, mode: JoinMode, ...roles: string[]): Attendant => ({
  person: person(name, ...roles),
  mode,
});

const AUDITOR = {
  filter: 'contains(user.spec.roles, "auditor")',
  kinds: ['k8s', 'ssh'],
  modes: ['moderator'],
};
const ada = joined('ada', 'moderator', 'auditor');
const bob = joined('bob', 'moderator', 'auditor');
const unmet = (access: AccessSet, ...present: Attendant[]): readonly string[] =>
  unmetDuties(joinDuties(access, 'ssh'), present, { name: 'joe' }).map((duty) => duty.role);

describe('require_session_join', () => {
  it.each<[string, AccessSet, Attendant[]]>([
    ['no policy', set(role('prod', [])), []],
    ['another kind of session', set(role('prod', [{ kinds: ['k8s'] }])), []],
    ['the one that the filter names', set(role('prod', [AUDITOR])), [ada]],
    ['two of two', set(role('prod', [{ ...AUDITOR, count: 2 }])), [ada, bob]],
    ['any mode', set(role('prod', [{ modes: ['*'] }])), [joined('ada', 'observer')]],
    [
      'any policy of one role',
      set(role('prod', [{ ...AUDITOR, count: 9 }, { modes: ['peer'] }])),
      [joined('x', 'peer')],
    ],
    ['one for each of two roles', set(role('a', [AUDITOR]), role('b', [AUDITOR])), [ada]],
    ['somebody beside the owner', set(role('prod', [AUDITOR])), [joined('joe', 'moderator', 'auditor'), ada]],
  ])('ok: %s', (_name, access, present) => {
    expect(unmet(access, ...present)).toEqual([]);
  });

  it.each<[string, AccessSet, Attendant[], readonly string[]]>([
    ['nobody there', set(role('prod', [AUDITOR])), [], ['prod']],
    ['the wrong mode', set(role('prod', [AUDITOR])), [joined('ada', 'observer', 'auditor')], ['prod']],
    ['the wrong person', set(role('prod', [AUDITOR])), [joined('eve', 'moderator', 'dev')], ['prod']],
    ['one of two', set(role('prod', [{ ...AUDITOR, count: 2 }])), [ada], ['prod']],
    ['one person twice', set(role('prod', [{ ...AUDITOR, count: 2 }])), [ada, ada], ['prod']],
    [
      'two names of one person',
      set(role('prod', [{ count: 2 }])),
      [ada, { ...bob, impersonator: 'ada' }],
      ['prod'],
    ],
    ['one role of two', set(role('a', [AUDITOR]), role('b', [{ modes: ['peer'] }])), [ada], ['b']],
    ['a policy that says nothing', set(role('prod', [{}])), [joined('ada', 'peer')], ['prod']],
    ['a count of 0', set(role('prod', [{ ...AUDITOR, count: 0 }])), [], ['prod']],
    ['a policy on the deny side', set(role('prod', [AUDITOR], 'deny')), [], ['prod']],
    [
      'an owner who is an auditor',
      set(role('prod', [AUDITOR])),
      [joined('joe', 'moderator', 'auditor')],
      ['prod'],
    ],
    [
      'an owner under another name',
      set(role('prod', [AUDITOR])),
      [{ ...joined('ada', 'moderator', 'auditor'), impersonator: 'joe' }],
      ['prod'],
    ],
  ])('S14 refuses: %s', (_name, access, present, missing) => {
    expect(unmet(access, ...present)).toEqual(missing);
  });

  it('S14 refuses: who acts as the owner does not vouch for it', () => {
    const duties = joinDuties(set(role('prod', [AUDITOR])), 'ssh');
    expect(unmetDuties(duties, [ada], { name: 'joe', impersonator: 'ada' })).toHaveLength(1);
  });

  it('refuses: roles with a filter that does not compile decide nothing', () => {
    expect(() => set(role('prod', [{ filter: 'nope(' }]))).toThrow(/role prod cannot be used/);
  });

  it.each<[string, readonly Partial<RequireJoinPolicy>[], 'terminate' | 'pause']>([
    ['nothing said', [{}], 'terminate'],
    ['terminate', [{ on_leave: 'terminate' }], 'terminate'],
    ['pause', [{ on_leave: 'pause' }], 'pause'],
    ['both', [{ on_leave: 'pause' }, {}], 'terminate'],
  ])('ok: when they leave: %s', (_name, policies, action) => {
    expect(actionOnLeave(joinDuties(set(role('prod', policies)), 'ssh'))).toBe(action);
  });

  it('ok: a duty in words', () => {
    const [duty] = joinDuties(set(role('prod', [{ count: 2 }, { modes: ['*'], name: 'any' }])), 'ssh');
    expect(duty && describeDuty(duty)).toBe('2 moderators (oversight) or 1 participant (any)');
  });
});
