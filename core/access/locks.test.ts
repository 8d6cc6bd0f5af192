import { describe, expect, it } from 'vitest';
import {
  lockInForce,
  MAX_LOCKS_AGE_MS,
  requireFreshLocks,
  requireUnlocked,
  type Lock,
  type LockSubject,
} from './locks.ts';

const NOW = Date.parse('2026-01-01T00:00:00Z');
const lock = (target: Lock['target'], more: Partial<Lock> = {}): Lock => ({ name: 'l', target, ...more });
const subject: LockSubject = {
  user: 'joe',
  roles: ['dev', 'ops'],
  login: 'root',
  serverId: 'n-1',
  mfaDevice: 'm-1',
  windowsDesktop: 'w-1',
  accessRequests: ['a-1', 'a-2'],
  device: 'd-1',
  botInstanceId: 'b-1',
  joinToken: 't-1',
};

describe('locks', () => {
  it.each<[string, Lock['target'], boolean]>([
    ['user', { user: 'joe' }, true],
    ['another user', { user: 'ann' }, false],
    ['user in another case', { user: 'Joe' }, false],
    ['role', { role: 'ops' }, true],
    ['login', { login: 'root' }, true],
    ['node', { node: 'n-1' }, true],
    ['server_id', { server_id: 'n-1' }, true],
    ['MFA device', { mfa_device: 'm-1' }, true],
    ['desktop', { windows_desktop: 'w-1' }, true],
    ['access request', { access_request: 'a-2' }, true],
    ['device', { device: 'd-1' }, true],
    ['bot', { bot_instance_id: 'b-1' }, true],
    ['join token', { join_token: 't-1' }, true],
    ['user and login', { user: 'joe', login: 'root' }, true],
    ['user and another login', { user: 'joe', login: 'deploy' }, false],
    ['nothing', {}, false],
    ['empty texts', { user: '', role: '' }, false],
    ['user and an empty text', { user: 'joe', role: '' }, true],
  ])('S16 ok: a lock on %s', (_name, target, hit) => {
    expect(lockInForce([lock(target)], subject, NOW) !== undefined).toBe(hit);
    expect(lockInForce([lock(target)], {}, NOW)).toBeUndefined();
  });

  it('ok: a lock ends at its expiry', () => {
    const ending = lock({ user: 'joe' }, { expires: NOW });
    expect(lockInForce([ending], subject, NOW - 1)).toBeDefined();
    expect(lockInForce([ending], subject, NOW)).toBeUndefined();
  });

  it('ok: the first by name answers, with its message', () => {
    const found = lockInForce(
      [lock({ user: 'joe' }, { name: 'b' }), lock({ role: 'dev' }, { name: 'a', message: 'ask security' })],
      subject,
      NOW,
    );
    expect(found).toMatchObject({ lock: { name: 'a' }, message: 'ask security' });
  });

  it('refuses: LOCKED says nothing of the target', () => {
    expect(() => requireUnlocked([lock({ user: 'joe' })], subject, NOW)).toThrow(
      expect.objectContaining({ code: 'LOCKED', message: 'a lock is in force' }),
    );
    expect(() => requireUnlocked([], subject, NOW)).not.toThrow();
  });

  it('S16 strict mode refuses when the list is old, best effort does not', () => {
    const old = NOW - MAX_LOCKS_AGE_MS - 1;
    expect(() => requireFreshLocks('strict', old, NOW)).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE' }),
    );
    expect(() => requireFreshLocks('strict', old + 1, NOW)).not.toThrow();
    expect(() => requireFreshLocks('best_effort', 0, NOW)).not.toThrow();
  });
});
