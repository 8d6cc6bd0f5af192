import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { formatExpiry, safeTokenName, tokenKind } from './kind.ts';

const token = (spec: object, metadata: object = {}): object => ({
  kind: 'token',
  metadata: { name: 'secret-token-value', ...metadata },
  spec,
});

describe('token', () => {
  it('ok: the example, with the columns of the manual', () => {
    const [example] = exampleOf('token', tokenKind);
    expect(tokenKind.columns.map((column) => column.title)).toEqual([
      'Token',
      'Type',
      'Labels',
      'Expiry Time (UTC)',
    ]);
    expect(tokenKind.columns.map((column) => column.value(example as never))).toEqual([
      'abcd123-insecure-do-not-use-this',
      'Node,App',
      'env=test',
      '14 Jun 30 21:21 UTC',
    ]);
  });

  it.each([
    ['one role as a word', token({ roles: 'Db' }), ['db']],
    ['roles in any case, once each', token({ roles: ['NODE', 'node', 'Proxy'] }), ['node', 'proxy']],
    ['a method that is written out', token({ roles: ['auth'], join_method: 'token' }), ['auth']],
  ])('ok: %s', (_name, document, roles) => {
    expect(parseResource(tokenKind, document).spec).toEqual({ roles, join_method: 'token' });
  });

  it.each([
    ['no roles', token({}), 'spec.roles: is required'],
    ['an empty list', token({ roles: [] }), 'spec.roles: must name one or more of auth, proxy, node'],
    [
      'a slip in a role',
      token({ roles: ['nod'] }),
      'spec.roles[0]: must be one of auth, proxy, node, app, db, kube, discovery, operator; did you mean "node"?',
    ],
    [
      'a method that is not there yet',
      token({ roles: ['node'], join_method: 'iam' }),
      'spec.join_method: must be one of token, kubernetes',
    ],
    [
      'a name that is easy to guess',
      token({ roles: ['node'] }, { name: 'foo' }),
      'metadata.name: must have at least 8 characters',
    ],
    ['a bot', token({ roles: ['node'], bot_name: 'ci' }), 'spec.bot_name: is not a known field'],
    ['rules of another method', token({ roles: ['node'], allow: [] }), 'spec.allow: is not a known field'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(tokenKind, document)).toEqual([expect.stringContaining(message)]);
  });

  it.each([
    ['e94d68a8a1e5821dbd79d03a960644f0', 'e94d****'],
    ['12345678', '12****'],
    ['', '****'],
  ])('S36 the name %j is shown as %j', (name, shown) => expect(safeTokenName(name)).toBe(shown));

  it.each([
    [undefined, 'never'],
    ['2018-09-25T00:21:59Z', '25 Sep 18 00:21 UTC'],
    ['2016-05-17T03:51:00Z', '17 May 16 03:51 UTC'],
  ])('ok: the expiry %j is printed as %j', (expires, text) => expect(formatExpiry(expires)).toBe(text));
});
