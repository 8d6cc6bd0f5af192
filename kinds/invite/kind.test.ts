import { describe, expect, it } from 'vitest';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { inviteKind } from './kind.ts';

const NAME = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';
const invite = (metadata: object, spec: object = {}): object => ({
  kind: 'invite',
  metadata: { name: NAME, expires: '2030-01-31T16:04:05Z', ...metadata },
  spec: { user: 'joe', purpose: 'reset', created: '2030-01-31T15:04:05Z', ...spec },
});

describe('invite', () => {
  it('ok: the example', () => expect(exampleOf('invite', inviteKind)).toHaveLength(1));

  it.each([
    [
      'a token in place of its hash',
      invite({ name: 'e94d68a8a1e5821dbd79d03a960644f0' }),
      'metadata.name: must be a SHA-256',
    ],
    ['one that lasts for ever', invite({ expires: null }), 'metadata.expires: is required'],
    ['another purpose', invite({}, { purpose: 'login' }), 'spec.purpose: must be one of invite, reset'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(inviteKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
