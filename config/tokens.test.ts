import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseRolesFlag } from './flags.ts';
import { parseStaticToken, parseTokenSource } from './tokens.ts';

describe('static tokens', () => {
  it.each([
    ['proxy,node:xxxx-token-xxxx', ['proxy', 'node'], 'xxxx-token-xxxx'],
    ['Node,node:secret-token-value', ['node'], 'secret-token-value'],
    ['node:a:b:c:d:e:f', ['node'], 'a:b:c:d:e:f'],
  ])('ok: %s', (text, roles, value) => {
    const token = parseStaticToken(text);
    expect(token.roles).toEqual(roles);
    expect(token.token.type === 'value' ? token.token.value.reveal() : '').toBe(value);
  });

  it('ok: a file', () => {
    expect(parseStaticToken('auth:/path/to/tokenfile')).toEqual({
      roles: ['auth'],
      token: { type: 'file', path: '/path/to/tokenfile' },
    });
  });

  it.each([
    ['secret-token-value', 'must be roles, a colon and the token'],
    [':secret-token-value', 'must be roles, a colon and the token'],
    ['nodes:secret-token-value', 'did you mean "node"?'],
    ['node:short', 'must have 8 to 253'],
    ['node:secret token value', 'must have 8 to 253'],
    ['node:', 'must have 8 to 253'],
  ])('S36 %s is refused without repeating the token', (text, message) => {
    expect(() => parseStaticToken(text)).toThrow(message);
    expect(() => parseStaticToken(text)).not.toThrow(/secret-token|short|secret token/);
  });

  it('S36 a token does not show when it is printed', () => {
    const token = parseTokenSource('secret-token-value');
    expect(inspect(token) + JSON.stringify(token)).not.toContain('secret-token-value');
  });
});

describe('--roles', () => {
  it('ok: any case, once each', () => expect(parseRolesFlag('Node, proxy,node')).toEqual(['node', 'proxy']));
  it('refuses: an unknown role', () => {
    expect(() => parseRolesFlag('node,prxy')).toThrow(
      expect.objectContaining({
        code: 'USAGE',
        message: expect.stringContaining('did you mean "proxy"?') as string,
      }),
    );
  });
});
