import { expect, it } from 'vitest';
import { addressClass } from './address-class.ts';

it.each([
  ['public', ['8.8.8.8', '172.32.0.1', '2600:1f00::1', '::ffff:8.8.8.8', '64:ff9b::808:808']],
  [
    'private',
    ['10.0.0.1', '172.16.3.4', '192.168.1.1', '100.64.0.1', 'fd12::1', '::ffff:10.0.0.1', '2002:a00:1::'],
  ],
  [
    'loopback',
    ['127.0.0.1', '127.255.255.254', '::1', '::ffff:127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'],
  ],
  ['never', ['0.0.0.0', '169.254.169.254', '::ffff:a9fe:a9fe', '64:ff9b::a9fe:a9fe', '100.100.100.200']],
  ['never', ['fd00:ec2::254', 'fe80::1', 'ff02::1', '224.0.0.1', '255.255.255.255', '::']],
  [undefined, ['', 'localhost', '127.1', '0x7f.1', '2130706433', '010.0.0.1', 'fe80::1%eth0']],
])('S25 ok: %s', (expected, addresses) => {
  for (const ip of addresses) expect(addressClass(ip), ip).toBe(expected);
});
