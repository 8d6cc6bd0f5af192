import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { httpProxyFor, type Environment } from './http-proxy.ts';

function via(host: string, environment: Environment, port = 3080): string {
  try {
    const proxy = httpProxyFor(host, port, environment);
    if (proxy === undefined) return 'direct';
    const who = proxy.credentials === undefined ? '' : `${proxy.credentials.reveal()}@`;
    return `${proxy.isTls ? 'https' : 'http'} ${who}${proxy.host} ${proxy.port}`;
  } catch (error) {
    return error instanceof GatehouseError ? error.code : String(error);
  }
}

describe('which proxy', () => {
  it.each<[string, Environment]>([
    ['direct', {}],
    ['direct', { HTTPS_PROXY: ' ' }],
    ['http proxy 8080', { HTTPS_PROXY: 'http://proxy:8080/' }],
    ['http proxy 8080', { HTTP_PROXY: 'proxy:8080' }],
    ['http proxy 8080', { https_proxy: 'proxy:8080' }],
    ['http proxy 80', { HTTPS_PROXY: 'http://proxy' }],
    ['https proxy 443', { HTTPS_PROXY: 'https://proxy' }],
    ['http first 1', { HTTPS_PROXY: 'first:1', HTTP_PROXY: 'second:2' }],
    ['http joe:p@ss@proxy 8080', { HTTPS_PROXY: 'http://joe:p%40ss@proxy:8080' }],
    ['http 2001:db8::1 8080', { HTTPS_PROXY: 'http://[2001:db8::1]:8080' }],
    ['USAGE', { HTTPS_PROXY: 'socks5://proxy:1080' }],
    ['USAGE', { HTTPS_PROXY: 'http://proxy:8080/path' }],
    ['USAGE', { HTTPS_PROXY: 'http://' }],
    ['USAGE', { HTTPS_PROXY: 'http://a b' }],
    ['USAGE', { HTTPS_PROXY: 'http://joe:%zz@proxy' }],
  ])('%s', (answer, environment) => {
    expect(via('gate.example.com', environment)).toBe(answer);
  });

  it('ok: loopback is always direct', () => {
    for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) {
      expect(via(host, { HTTPS_PROXY: 'proxy:8080' })).toBe('direct');
    }
  });
});

describe('NO_PROXY', () => {
  it.each<[string, string, boolean]>([
    ['*', 'gate.example.com', true],
    ['example.com', 'gate.example.com', true],
    ['example.com', 'example.com', true],
    ['example.com', 'badexample.com', false],
    ['.example.com', 'gate.example.com', true],
    ['.example.com', 'example.com', false],
    ['*.example.com', 'gate.example.com', true],
    ['EXAMPLE.com', 'Gate.Example.COM', true],
    ['gate.example.com:3080', 'gate.example.com', true],
    ['gate.example.com:443', 'gate.example.com', false],
    ['localhost,127.0.0.1,192.168.0.0/16,172.16.0.0/12,10.0.0.0/8', '10.1.2.3', true],
    ['192.168.0.0/16, 10.0.0.0/8', '10.1.2.3', true],
    ['10.0.0.0/8', '11.1.2.3', false],
    ['10.0.0.0/8', 'gate.example.com', false],
    ['10.1.2.3', '10.1.2.3', true],
    ['10.1.2.3:3080', '10.1.2.3', true],
    ['2001:db8::/32', '2001:db8::1', true],
    ['[2001:db8::1]:3080', '2001:db8::1', true],
    ['', 'gate.example.com', false],
    [',,', 'gate.example.com', false],
  ])('%s and %s: %s', (list, host, isDirect) => {
    expect(via(host, { HTTPS_PROXY: 'proxy:1', NO_PROXY: list }) === 'direct').toBe(isDirect);
  });
});

it('S36 the password is in no message and no log', () => {
  const environment = { HTTPS_PROXY: 'ftp://joe:hunter2@proxy' };
  expect(() => httpProxyFor('a.example.com', 1, environment)).toThrow(/HTTPS_PROXY/);
  expect(() => httpProxyFor('a.example.com', 1, environment)).not.toThrow(/hunter2/);
  const proxy = httpProxyFor('a.example.com', 1, { HTTPS_PROXY: 'http://joe:hunter2@proxy' });
  expect(inspect(proxy) + JSON.stringify(proxy)).not.toContain('hunter2');
});
