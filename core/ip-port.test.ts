import { expect, it } from 'vitest';
import { formatIpPort, parseIpPort } from './ip-port.ts';

it.each([
  ['192.0.2.1', 22, '192.0.2.1:22'],
  ['2001:DB8:0:0::1', 0, '[2001:db8::1]:0'],
  ['::ffff:192.0.2.1', 65_535, '192.0.2.1:65535'],
  ['::FFFF:c000:201', 65_535, '192.0.2.1:65535'],
  ['0:0:0:0:0:ffff:192.0.2.1', 1, '192.0.2.1:1'],
  ['::fffe:192.0.2.1', 1, '[::fffe:c000:201]:1'],
])('ok: %s and %d', (ip, port, text) => {
  expect(formatIpPort(ip, port)).toBe(text);
  expect(parseIpPort(text)?.port).toBe(port);
  expect(parseIpPort(text)).toMatchObject({ port });
});

it('refuses: what is no address, no port, or not as it is written', () => {
  expect(formatIpPort('localhost', 22)).toBeUndefined();
  expect(formatIpPort('192.0.2.1', 65_536)).toBeUndefined();
  expect(formatIpPort('192.0.2.1', 1.5)).toBeUndefined();
  for (const text of [
    '',
    ':22',
    '192.0.2.1',
    '[192.0.2.1]:22',
    '2001:db8::1:22',
    '[2001:DB8::1]:22',
    '[::1]:022',
    '[::ffff:c000:201]:1',
    '[::1%lo]:22',
  ]) {
    expect(parseIpPort(text), text).toBeUndefined();
  }
});
