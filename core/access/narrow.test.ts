import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCode } from '../errors/error.ts';
import { isWithin, narrow, type Grant, type Narrowing } from './narrow.ts';

const before: Grant = {
  user: 'joe',
  roles: ['dev', 'ops'],
  traits: { logins: ['joe'] },
  logins: ['joe', 'root'],
  expires: 1000,
  pinnedIp: '192.0.2.1',
  mfaVerified: 5,
  device: 'd',
};

describe('narrowing', () => {
  it('S13 what is not asked for stays', () => {
    expect(narrow(before, {})).toEqual(before);
  });

  it('S13 times are cut, logins taken out, roles and pins carried over', () => {
    expect(narrow(before, { logins: ['joe'], expires: 2000, usage: 'db' })).toEqual({
      ...before,
      logins: ['joe'],
      usage: 'db',
    });
    expect(narrow(before, { expires: 10 }).expires).toBe(10);
  });

  it.each<[string, Narrowing]>([
    ['a login', { logins: ['admin'] }],
    ['another user', { user: 'ann' }],
    ['another address', { pinnedIp: '192.0.2.2' }],
    ['no address', { pinnedIp: '' }],
  ])('S13 refuses: %s that was not there', (_name, asked) => {
    expect(() => narrow(before, asked)).toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
  });

  it('S13 refuses: a certificate for one use cannot get another use', () => {
    const db = narrow(before, { usage: 'db' });
    expect(() => narrow(db, { usage: 'app' })).toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
    expect(narrow(db, {}).usage).toBe('db');
    expect(() => narrow({ ...before, final: true }, {})).toThrow(
      expect.objectContaining({ code: 'ACCESS_DENIED' }),
    );
  });

  it('S13 property: reissue never widens, over any chain of requests', () => {
    const name = fc.constantFrom('a', 'b', 'c');
    const names = fc.uniqueArray(name);
    const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
    const grant = fc.record({
      user: name,
      roles: names,
      traits: fc.dictionary(name, names),
      logins: names,
      expires: fc.integer({ min: 0, max: 100 }),
      pinnedIp: maybe(name),
      usage: maybe(name),
      device: maybe(name),
      impersonator: maybe(name),
      mfaVerified: maybe(fc.integer({ min: 1, max: 100 })),
    });
    const asked = fc.record(
      {
        user: name,
        logins: names,
        expires: fc.integer({ min: -10, max: 200 }),
        pinnedIp: name,
        usage: name,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(grant, fc.array(asked, { maxLength: 5 }), (first, requests) => {
        let current: Grant = first;
        for (const request of requests) {
          try {
            const next = narrow(current, request);
            expect(isWithin(next, current)).toBe(true);
            current = next;
          } catch (error) {
            if (!isCode(error, 'ACCESS_DENIED')) throw error;
          }
        }
        expect(isWithin(current, first)).toBe(true);
        expect(current.traits).toEqual(first.traits);
        expect(current.device).toBe(first.device);
      }),
      { numRuns: 1000 },
    );
  });

  it.each<[string, Partial<Grant>]>([
    ['more roles', { roles: ['dev', 'ops', 'x'] }],
    ['more logins', { logins: ['x'] }],
    ['longer', { expires: 1001 }],
    ['unpinned', { pinnedIp: undefined }],
    ['another pin', { pinnedIp: '192.0.2.9' }],
    ['fresher factor', { mfaVerified: 6 }],
    ['another device', { device: 'e' }],
    ['no device, on which there may be a lock', { device: undefined }],
    ['another access request', { accessRequests: ['a', 'b'] }],
    ['no access request, on which there may be a lock', { accessRequests: [] }],
    ['one that gets others', { final: undefined }],
    ['more traits', { traits: { logins: ['joe', 'root'] } }],
    ['another trait', { traits: { constructor: ['x'] } }],
    ['another impersonator', { impersonator: 'x' }],
    ['a later impersonator of the same name', { impersonatorUid: 'x' }],
    ['a later user of the same name', { uid: 'x' }],
    ['another user', { user: 'ann' }],
  ])('S13 isWithin sees %s', (_name, change) => {
    const previous: Grant = { ...before, accessRequests: ['a'], final: true };
    expect(isWithin(previous, previous)).toBe(true);
    expect(isWithin({ ...previous, ...change }, previous)).toBe(false);
  });

  it('S13 isWithin sees a device that was not proven before', () => {
    const { device: _device, ...without } = before;
    expect(isWithin(before, without)).toBe(false);
  });
});
