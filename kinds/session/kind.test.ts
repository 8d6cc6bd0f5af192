import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { participantsOf, sessionContext, sessionKind } from './kind.ts';

const ID = '4c146ec8-eab6-41e6-b1b3-40167e68e931';
const session = (spec: object, name = ID): object => ({
  kind: 'session',
  metadata: { name },
  spec: { host_id: 'h', server_id: 'h', user: 'joe', created: '2026-01-31T15:04:05Z', ...spec },
});

describe('session', () => {
  it('ok: the example, with its row', () => {
    const [example] = exampleOf('session', sessionKind);
    expect(sessionKind.columns.map((column) => column.value(example as never))).toEqual([
      ID,
      'ssh',
      '2026-01-31T15:04:05Z',
      'turing',
      'root',
      'joe',
      'joe,alice',
      'running',
    ]);
  });

  it('ok: whose session it is counts as a participant once, for conditions too', () => {
    const parsed = parseResource(
      sessionKind,
      session({ participants: [{ user: 'joe' }, { user: 'bob' }], server_labels: { env: 'dev' } }),
    );
    expect(participantsOf(parsed)).toEqual(['joe', 'bob']);
    expect(sessionContext(parsed)).toEqual({
      user: 'joe',
      login: '',
      participants: ['joe', 'bob'],
      labels: { env: 'dev' },
    });
  });

  it.each([
    ['a name that is no id', session({}, 'mine'), 'metadata.name: must be the id of the session'],
    ['an unknown type', session({ session_type: 'sh' }), 'spec.session_type: must be one of ssh'],
    ['an unknown mode', session({ participants: [{ user: 'a', mode: 'x' }] }), 'spec.participants[0].mode'],
    ['nobody', session({ user: '' }), 'spec.user: must not be empty'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(sessionKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
