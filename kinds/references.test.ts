import { describe, expect, it } from 'vitest';
import { KINDS, kindOf } from './all.ts';
import { parseReferences } from './references.ts';

const read = (text: string, withInternal = false): string[] =>
  parseReferences(text, { kinds: KINDS, withInternal }).map(({ kind, name }) =>
    name === undefined ? kind.name : `${kind.name}/${name}`,
  );

describe('parseReferences', () => {
  it.each([
    ['user/joe', ['user/joe']],
    ['users/admin', ['user/admin']],
    ['users', ['user']],
    ['tokens, users', ['token', 'user']],
    ['users,user', ['user']],
    ['cap', ['cluster_auth_preference/cluster-auth-preference']],
    ['cluster_name/cluster-name', ['cluster_name/cluster-name']],
    ['USER/Joe', ['user/Joe']],
    ['user/joe@example.com', ['user/joe@example.com']],
  ])('ok: %s', (text, expected) => expect(read(text)).toEqual(expected));

  it('ok: all is what people write, and with secrets what restores a cluster', () => {
    expect(read('all')).toContain('user');
    expect(read('all')).not.toContain('node');
    expect(read('all')).not.toContain('user_password');
    expect(read('all', true)).toContain('user_password');
    expect(read('all', true)).not.toContain('instance');
  });

  it.each([
    ['', 'is not a known kind'],
    ['usr/joe', 'did you mean "user"?'],
    ['user/', 'the name after "user/" must be a name'],
    ['user/a/b', 'the name after "user/" must be a name'],
    ['user/..', 'the name after "user/" must be a name'],
    ['cap/other', 'there is only one cluster_auth_preference, and its name is "cluster-auth-preference"'],
    ['x'.repeat(5000), 'too long'],
  ])('refuses: %j', (text, message) => expect(() => read(text)).toThrow(message));
});

describe('the list', () => {
  it('ok: no two kinds share a name, plural or alias', () => {
    const words = KINDS.flatMap((kind) => [...new Set([kind.name, kind.plural, ...kind.aliases])]);
    expect(new Set(words).size).toBe(words.length);
    expect(kindOf('cas').name).toBe('cert_authority');
  });

  it('ok: names are snake case, and everybody can read what a kind is for', () => {
    for (const kind of KINDS) {
      expect(kind.name).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(kind.plural).toMatch(/^[a-z]+(_[a-z]+)*$/);
      expect(kind.description).toMatch(/\.$/);
    }
  });
});
