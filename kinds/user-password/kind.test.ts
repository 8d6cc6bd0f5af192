import { describe, expect, it } from 'vitest';
import { withoutSecrets } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { userPasswordKind } from './kind.ts';

describe('user_password', () => {
  it('ok: the example, whose hash vanishes without secrets', () => {
    const [example] = exampleOf('user-password', userPasswordKind);
    expect(JSON.stringify(example)).toContain('argon2id');
    expect(JSON.stringify(withoutSecrets(userPasswordKind, example as never))).not.toContain('argon2id');
  });

  it.each([
    'hunter2hunter2',
    '$2y$10$abcdefghijklmnopqrstuv',
    '$argon2i$v=19$m=65536,t=3,p=1$c29tZXNhbHQ$c29tZWhhc2hzb21laGFzaA',
  ])('refuses: %s in place of an argon2id hash, without repeating it', (hash) => {
    const document = {
      kind: 'user_password',
      metadata: { name: 'joe' },
      spec: { hash, changed: '2026-01-31T15:04:05Z' },
    };
    expect(problemsOf(userPasswordKind, document)).toEqual([
      'spec.hash: must be an argon2id hash in PHC form',
    ]);
  });
});
