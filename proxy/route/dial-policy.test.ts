import { expect, it } from 'vitest';
import { dialProblem } from './dial-policy.ts';

const refused = (ip: string, allowsLoopback = false): boolean =>
  dialProblem(ip, { allowsLoopback }) !== undefined;

it('ok: addresses where servers live', () => {
  for (const ip of [
    '10.0.0.1',
    '172.16.3.4',
    '192.168.1.1',
    '100.64.0.1',
    '8.8.8.8',
    '2001:db8::1',
    'fd12::1',
  ]) {
    expect(refused(ip), ip).toBe(false);
  }
});

it.each([
  '169.254.169.254',
  '169.254.170.2',
  '::ffff:169.254.169.254',
  '::ffff:a9fe:a9fe',
  '64:ff9b::a9fe:a9fe',
  '2002:a9fe:a9fe::1',
  '::169.254.169.254',
  'fd00:ec2::254',
  'fd20:ce::254',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  '0.0.0.0',
  '0.1.2.3',
  '::',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '224.0.0.1',
  '255.255.255.255',
  '240.0.0.1',
  'localhost',
  '',
  '0x7f.1',
  '2130706433',
  '127.1',
])('S25 refuses: %s, also where loopback is fine', (ip) => {
  expect(refused(ip)).toBe(true);
  expect(refused(ip, true)).toBe(true);
});

it.each([
  '127.0.0.1',
  '127.255.255.254',
  '::1',
  '::ffff:127.0.0.1',
  '64:ff9b::7f00:1',
  '2002:7f00:1::',
  '::127.0.0.1',
])('S25 refuses: the loopback address %s, unless the node is on this machine', (ip) => {
  expect(refused(ip)).toBe(true);
  expect(refused(ip, true)).toBe(false);
});
