import { describe, expect, it } from 'vitest';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { instanceKind } from './kind.ts';

const instance = (spec: object): object => ({
  kind: 'instance',
  metadata: { name: 'h1' },
  spec: {
    host_id: 'h1',
    hostname: 'turing',
    roles: ['node'],
    version: '0.1.0',
    last_seen: '2026-01-31T15:04:05Z',
    ...spec,
  },
});

describe('instance', () => {
  it('ok: the example, with its row', () => {
    const [example] = exampleOf('instance', instanceKind);
    expect(instanceKind.columns.map((column) => column.value(example as never)).slice(1)).toEqual([
      'turing',
      'node',
      '0.1.0',
      '2026-01-31T15:04:05Z',
    ]);
  });

  it.each([
    ['the name of another host', instance({ host_id: 'h2' }), 'spec.host_id: must be equal to metadata.name'],
    ['an unknown role', instance({ roles: ['nodes'] }), 'spec.roles[0]: must be one of auth, proxy, node'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(instanceKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
