// The catalogue as data: codes, meanings, fields.
import { describe, expect, test } from 'vitest';
import { CATALOGUE, codeOf, describeCatalogue } from './catalogue.ts';
import { CLUSTER_EVENTS } from './catalogue-cluster.ts';
import { IDENTITY_EVENTS } from './catalogue-identity.ts';
import { SESSION_EVENTS } from './catalogue-session.ts';
import { TARGET_EVENTS } from './catalogue-target.ts';
import { parseEventInput } from './check-event.ts';
import { FIELDS } from './fields.ts';

const all = describeCatalogue();

describe('catalogue', () => {
  test('ok: no type is in two themes', () => {
    const themes = [IDENTITY_EVENTS, SESSION_EVENTS, TARGET_EVENTS, CLUSTER_EVENTS].map(
      (theme) => Object.keys(theme).length,
    );
    expect(Object.keys(CATALOGUE)).toHaveLength(themes.reduce((a, b) => a + b));
  });
  test('ok: codes are unique and say how grave it is', () => {
    const codes = all.flatMap((event) => event.codes);
    expect(new Set(codes).size).toBe(codes.length);
    for (const code of codes) expect(code).toMatch(/^(GH[A-Z]{1,4}|TDB|TAP|TPG)\d{2}[IWE]$/);
  });
  test('ok: a failure code needs a field that says so, and is no information', () => {
    for (const { type, codes, fields } of all) {
      if (codes.length < 2) continue;
      expect(
        fields.find(({ name }) => name === 'success'),
        type,
      ).toBeDefined();
      expect(codes[1], type).toMatch(/[WE]$/);
    }
  });
  test('ok: each type and each field is explained, no field twice, no field unused', () => {
    const used = new Set<string>(['cut', 'occurred', 'reported_by']);
    for (const { type, meaning, fields } of all) {
      expect(meaning, type).toMatch(/^[A-Z].{10,}\.$/);
      expect(new Set(fields.map(({ name }) => name)).size, type).toBe(fields.length);
      for (const { name } of fields) used.add(name);
    }
    for (const [name, { meaning }] of Object.entries(FIELDS)) expect(meaning, name).toMatch(/^.{5,}\.$/);
    expect(Object.keys(FIELDS).filter((name) => !used.has(name))).toEqual([]);
  });
  test('ok: the documented types and the documented code', () => {
    const types =
      'auth session.start session.end session.join session.leave session.disk session.network session.command exec scp resize user.login app.session.start app.session.chunk'.split(
        ' ',
      );
    expect(types.filter((type) => !Object.hasOwn(CATALOGUE, type))).toEqual([]);
    expect(codeOf({ event: 'db.session.query', success: true })).toBe('TDB02I');
    expect(codeOf({ event: 'db.session.query', success: false })).toBe('GHDB02W');
    expect(codeOf({ event: 'resize' })).toBe('GHS10I');
  });
});

describe('events from outside', () => {
  const login = { event: 'user.login', user: 'a', method: 'local', success: true };
  test.each([
    ['the required fields', login],
    ['optional fields', { ...login, roles: ['x'], 'addr.remote': '10.0.0.1:1', error: undefined }],
    [
      'an id, an index and a time of its own',
      { ...login, uid: '0b0e7ed6-6f0f-4d3a-9a52-2f0a9e6e7f10', ei: 3, occurred: '2026-01-01T00:00:00Z' },
    ],
  ])('ok: %s', (_, event) => {
    expect(parseEventInput(event)).toBe(event);
  });
  test.each([
    ['no object', [login], undefined],
    ['no type', { user: 'a' }, 'event'],
    ['an unknown type', { event: 'x.y' }, 'event'],
    ['a type of Object.prototype', { event: 'constructor' }, 'event'],
    ['a missing field', { event: 'user.login', user: 'a', method: 'local' }, 'success'],
    ['a field of another type', { ...login, size: '80:25' }, 'size'],
    ['a field of the envelope', { ...login, seq: 4 }, 'seq'],
    ['who told of it', { ...login, reported_by: 'h' }, 'reported_by'],
    ['a string for a boolean', { ...login, success: 'true' }, 'success'],
    ['a list with a number', { ...login, roles: [1] }, 'roles'],
    ['a uid that is none', { ...login, uid: 'x' }, 'uid'],
    ['a negative index', { ...login, ei: -1 }, 'ei'],
    ['a time that is none', { ...login, occurred: 'yesterday' }, 'occurred'],
  ])('refuses: %s', (_, event, field) => {
    expect(() => parseEventInput(event)).toThrow(
      expect.objectContaining({
        code: 'BAD_REQUEST',
        details: field === undefined ? {} : { field },
      }) as Error,
    );
  });
});
