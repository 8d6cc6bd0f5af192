import { describe, expect, it } from 'vitest';
import { formatAddress, parseAddress } from './address.ts';

describe('parseAddress', () => {
  it.each([
    ['10.0.10.5', '10.0.10.5', 3025],
    ['10.0.10.5:3080', '10.0.10.5', 3080],
    ['teleport-proxy.example.com:3080', 'teleport-proxy.example.com', 3080],
    ['[::1]:22', '::1', 22],
    ['[fe80::1]', 'fe80::1', 3025],
    ['::1', '::1', 3025],
    ['tcp://auth.example.com:4000', 'auth.example.com', 4000],
    ['https://example.com/', 'example.com', 3025],
    ['NODE_NAME', 'NODE_NAME', 3025],
    ['127.0.0.1:0', '127.0.0.1', 0],
    [' host ', 'host', 3025],
    [':3000', '0.0.0.0', 3000],
  ])('ok: %s', (text, host, port) => {
    expect(parseAddress(text, 3025, '0.0.0.0')).toEqual({ host, port });
    expect(parseAddress(formatAddress({ host, port }), 1)).toEqual({ host, port });
  });

  it.each([
    '',
    ':',
    '3025',
    'a:',
    'a:b',
    'a:65536',
    'a:-1',
    'a:1:2',
    '[a]:1',
    '[::1',
    '[::1]x',
    '::1]:1',
    'a b',
    'a/b',
    'ftp://a',
    'a,b',
    '-a',
    'a\nb',
    'user@host',
    'x'.repeat(300),
  ])('refuses: %j', (text) =>
    expect(() => parseAddress(text, 3025)).toThrow(expect.objectContaining({ code: 'BAD_REQUEST' })),
  );

  it('refuses: a missing host where it must be named', () => {
    expect(() => parseAddress(':3025', 3025)).toThrow('is not an address');
  });
});
