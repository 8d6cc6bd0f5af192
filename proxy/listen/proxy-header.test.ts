// Headers of the PROXY protocol, both versions: what balancers send, and what only looks like it.
import { describe, expect, it } from 'vitest';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader } from './proxy-header.ts';

const text = (line: string): Buffer => Buffer.from(line, 'latin1');
const V2 = '0d0a0d0a000d0a515549540a';
const hex = (rest: string, more = ''): Buffer => Buffer.concat([Buffer.from(V2 + rest, 'hex'), text(more)]);

describe('version 1', () => {
  it.each([
    ['PROXY TCP4 192.0.2.1 10.0.0.1 51000 443\r\n', '192.0.2.1:51000'],
    ['PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n', '[2001:db8::1]:1'],
    // As balancers that listen on `::` write clients of IPv4.
    ['PROXY TCP6 ::ffff:192.0.2.1 ::ffff:10.0.0.1 51000 443\r\n', '192.0.2.1:51000'],
    ['PROXY UNKNOWN\r\n', undefined],
    ['PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n', undefined],
  ])('ok: %j', (line, client) => {
    expect(readProxyHeader(text(`${line}SSH-2.0-x`))).toEqual({ length: line.length, client });
    for (let length = 1; length < line.length; length++)
      expect(readProxyHeader(text(line).subarray(0, length))).toBe('partial');
  });

  it.each([
    'PROXY TCP4 2001:db8::1 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.1 10.0.0.1 99999 443\r\n',
    'PROXY TCP4 192.0.2.1\r\n',
    'PROXY TCP4  192.0.2.1 10.0.0.1 1 2\r\n',
    'PROXY TCP4 192.0.2.01 10.0.0.1 1 2\r\n',
    'PROXY TCP4 localhost 10.0.0.1 1 2\r\n',
    'PROXY UDP4 192.0.2.1 10.0.0.1 1 2\r\n',
    `PROXY UNKNOWN ${'x'.repeat(200)}`,
  ])('refuses: %j', (line) => expect(readProxyHeader(text(line))).toBe('malformed'));
});

describe('version 2', () => {
  it.each([
    ['IPv4', '2111000cc00002010a000001c73801bb', '192.0.2.1:51000'],
    ['IPv4 and further fields', '21110010c00002010a000001c73801bb03000100', '192.0.2.1:51000'],
    [
      'IPv6',
      `21210024${'20010db8'}${'0'.repeat(23)}1${'20010db8'}${'0'.repeat(23)}2c73801bb`,
      '[2001:db8::1]:51000',
    ],
    [
      'IPv4 mapped into IPv6',
      `21210024${'0'.repeat(20)}ffffc0000201${'0'.repeat(20)}ffff0a000001c73801bb`,
      '192.0.2.1:51000',
    ],
    ['the balancer itself', '20000000', undefined],
    ['a family without addresses', '21000000', undefined],
    ['a local socket', `213100d8${'00'.repeat(216)}`, undefined],
  ])('ok: %s', (_, rest, client) => {
    const length = 12 + rest.length / 2;
    expect(readProxyHeader(hex(rest, 'GET /'))).toEqual({ length, client });
    for (let part = 1; part < length; part++)
      expect(readProxyHeader(hex(rest).subarray(0, part))).toBe('partial');
  });

  it.each([
    ['another version', '1111000cc00002010a000001c73801bb'],
    ['an unknown command', '2211000cc00002010a000001c73801bb'],
    ['too few bytes for its addresses', '21110004c0000201'],
    ['more than a header may have', '2111ffff'],
  ])('refuses: %s', (_, rest) => expect(readProxyHeader(hex(rest))).toBe('malformed'));
});

it('ok: other protocols have none', () => {
  for (const line of ['SSH-2.0-x\r\n', 'GET / HTTP/1.1\r\n', 'POST /', '\x16\x03\x01', '']) {
    expect(readProxyHeader(text(line))).toBe('absent');
  }
  expect(readProxyHeader(text('P'))).toBe('partial');
});

it('S33 never asks for more than its limit', () => {
  for (const start of [text('PROXY TCP4 '), hex('211107f0')]) {
    const long = Buffer.concat([start, Buffer.alloc(MAX_PROXY_HEADER_BYTES, 'a')]);
    expect(readProxyHeader(long)).not.toBe('partial');
  }
});
