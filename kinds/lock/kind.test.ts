import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { tokenDigest } from '../token/kind.ts';
import { lockKind, lockOf, type LockSpec } from './kind.ts';

const lock = (spec: object, metadata: object = {}): object => ({
  kind: 'lock',
  version: 'v2',
  metadata: { name: '5a1f7f0e', ...metadata },
  spec,
});

describe('lock', () => {
  it('ok: the example, with its columns', () => {
    const [example] = exampleOf('lock', lockKind) as Resource<LockSpec>[];
    expect(lockKind.columns.map((column) => column.value(example!))).toEqual([
      '5a1f7f0e-7c7b-4f0c-9b57-2f1b5a3c9c11',
      'user=mallory',
      'Suspected leak of the laptop; ask security@example.com',
      '2026-12-31T00:00:00Z',
    ]);
  });

  it.each([
    'user',
    'role',
    'login',
    'node',
    'server_id',
    'mfa_device',
    'windows_desktop',
    'access_request',
    'device',
    'bot_instance_id',
    'join_token',
  ])('ok: a lock on a %s', (field) => {
    expect(problemsOf(lockKind, lock({ target: { [field]: 'x' } }))).toEqual([]);
  });

  it.each([
    ['no target', lock({}), 'spec.target: is required'],
    ['an empty target', lock({ target: {} }), 'spec.target: must name what is locked'],
    ['a target of empty texts', lock({ target: { user: '' } }), 'spec.target: must name what is locked'],
    ['an unknown target', lock({ target: { usr: 'joe' } }), 'did you mean "user"?'],
    [
      'two servers',
      lock({ target: { node: 'a', server_id: 'b' } }),
      'spec.target.node: must be equal to server_id',
    ],
    ['a bad time', lock({ target: { user: 'x' }, expires: 'tomorrow' }), 'spec.expires: must be a time'],
  ])('refuses: %s', (_name, document, says) => {
    expect(problemsOf(lockKind, document).join('\n')).toContain(says);
  });

  it('S36 ok: a join token is kept as its digest, also when the lock is written back', () => {
    const written = parseResource(lockKind, lock({ target: { join_token: 'tok-1234567890' } }));
    const { join_token } = written.spec.target;
    expect(join_token).toBe(tokenDigest('tok-1234567890'));
    expect(parseResource(lockKind, written).spec.target).toEqual({ join_token });
  });

  it('ok: the earlier expiry counts', () => {
    const both = lock(
      { target: { user: 'joe' }, expires: '2026-02-01T00:00:00Z' },
      { expires: '2026-01-01T00:00:00Z' },
    );
    expect(lockOf(parseResource(lockKind, both))).toMatchObject({
      name: '5a1f7f0e',
      expires: Date.parse('2026-01-01T00:00:00Z'),
    });
    expect(
      lockOf(parseResource(lockKind, lock({ target: { user: 'joe' }, expires: '0001-01-01T00:00:00Z' }))),
    ).not.toHaveProperty('expires');
  });
});
