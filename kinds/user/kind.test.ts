import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { parseDocuments } from '#kinds/documents.ts';
import { exampleOf, problemsOf, writeProblemsOf } from '#test/kit/resources.ts';
import { userKind } from './kind.ts';

/** As `get user/joe` is documented to print it. */
const PRINTED = `
kind: user
version: v2
metadata:
  name: joe
spec:
  roles: admin
  status:
    is_locked: false
    lock_expires: 0001-01-01T00:00:00Z
    locked_time: 0001-01-01T00:00:00Z
  traits:
    logins:
    - joe
    - root
  expires: 0001-01-01T00:00:00Z
  created_by:
    time: 0001-01-01T00:00:00Z
    user:
      name: builtin-Admin
`;

const user = (spec: object, metadata: object = {}): object => ({
  kind: 'user',
  version: 'v2',
  metadata: { name: 'joe', ...metadata },
  spec,
});
const role = (name: string) => ({ kind: 'role', version: 'v7', metadata: { name }, spec: {} });

describe('user', () => {
  it('ok: the example', () => expect(exampleOf('user', userKind)).toHaveLength(1));

  it('ok: the user as the manual prints it', () => {
    const [joe] = parseDocuments(PRINTED, { kinds: [userKind], source: 'joe.yaml' });
    expect(joe?.spec).toEqual({
      roles: ['admin'],
      traits: { logins: ['joe', 'root'] },
      status: { is_locked: false },
      created_by: { user: { name: 'builtin-Admin' } },
    });
    expect(userKind.columns.map((column) => column.value(joe as never))).toEqual([
      'joe',
      'joe,root',
      'admin',
    ]);
  });

  it.each([
    ['nothing but a name', user({}), { roles: [], traits: {} }],
    [
      'plain values for lists',
      user({ roles: 'dev', traits: { logins: 'joe' } }),
      { roles: ['dev'], traits: { logins: ['joe'] } },
    ],
    ['empty roles and traits', user({ roles: null, traits: null }), { roles: [], traits: {} }],
    [
      'a trait whose value looks like a number',
      user({ traits: { uid: [1001] } }),
      { roles: [], traits: { uid: ['1001'] } },
    ],
  ])('ok: %s', (_name, document, spec) => {
    expect(parseResource(userKind, document).spec).toEqual(spec);
  });

  it('ok: an expiry in the spec is moved to the metadata', () => {
    const joe = parseResource(userKind, user({ expires: '2026-02-01T00:00:00Z' }));
    expect(joe.metadata.expires).toBe('2026-02-01T00:00:00Z');
    expect(joe.spec.expires).toBeUndefined();
  });

  it.each([
    ['a password', user({ local_auth: { password_hash: 'aGVsbG8=' } }), 'spec.local_auth: must be left out'],
    [
      'two expiries',
      user({ expires: '2026-02-01T00:00:00Z' }, { expires: '2026-03-01T00:00:00Z' }),
      'spec.expires: must be equal to metadata.expires',
    ],
    ['a slip in a field', user({ role: ['dev'] }), 'spec.role: is not a known field; did you mean "roles"?'],
    [
      'a slip in the status',
      user({ status: { is_loked: true } }),
      'spec.status.is_loked: is not a known field; did you mean "is_locked"?',
    ],
    ['roles as a map', user({ roles: { a: 1 } }), 'spec.roles: must be a list'],
    ['a role that is no name', user({ roles: ['a b'] }), 'spec.roles[0]: must be a name'],
    ['a name with a slash', user({}, { name: 'a/b' }), 'metadata.name: must be a name'],
    [
      'a very long name',
      user({}, { name: 'x'.repeat(201) }),
      'metadata.name: must have at most 200 characters',
    ],
    ['a version of another kind', { ...user({}), version: 'v7' }, 'version: must be one of v2'],
    [
      'a poisoned trait name',
      user({ traits: JSON.parse('{"__proto__": ["x"]}') as object }),
      'spec.traits.__proto__: is not allowed as a name',
    ],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(userKind, document)).toEqual([expect.stringContaining(message)]);
  });

  it.each(['joe,root', 'a b', 'a\nb', 'a/b', 'a\u0007'])('S3 a login such as %j is refused', (login) => {
    expect(problemsOf(userKind, user({ traits: { logins: ['joe', login] } }))).toEqual([
      expect.stringContaining('spec.traits.logins[1]: must not hold a space, comma, slash'),
    ]);
  });

  it('ok: roles that exist', () => {
    const joe = parseResource(userKind, user({ roles: ['access', 'dev'] }));
    expect(writeProblemsOf(userKind, joe, [role('access'), role('dev')])).toEqual([]);
  });

  it('refuses: a role that does not exist, with the nearest name', () => {
    const joe = parseResource(userKind, user({ roles: ['access', 'acess', 'zzzzzz'] }));
    expect(writeProblemsOf(userKind, joe, [role('access')])).toEqual([
      'spec.roles[1]: names the role "acess", which does not exist; did you mean "access"?',
      expect.stringContaining(
        'spec.roles[2]: names the role "zzzzzz", which does not exist; create the role first',
      ),
    ]);
  });
});
