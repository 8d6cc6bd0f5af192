// S25: which addresses are dialed for a person, in every spelling that the system understands.
import { expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import { dial, mayDial } from './dial.ts';

it.each([
  '127.0.0.1',
  '10.0.0.1',
  '0.0.0.0',
  '8.8.8.8',
  '::1',
  '2001:db8::1',
  '169.253.255.255',
  '192.0.0.1',
])('S25 ok: %s may be dialed, as the node could', (address) => expect(mayDial(address)).toBe(true));

it.each([
  '169.254.169.254',
  '169.254.0.1',
  '169.254.170.2',
  '::ffff:169.254.169.254',
  'fe80::1',
  'fe80::1%eth0',
  'febf::1',
  'fd00:ec2::254',
  'fd20:ce::254',
  '100.100.100.200',
  '192.0.0.192',
  '168.63.129.16',
  '64:ff9b::a9fe:a9fe',
  'localhost',
  '',
  '169.254.169.254 ',
])('S25 refuses: %s', (address) => expect(mayDial(address)).toBe(false));

it.each([
  '0xa9fea9fe',
  '2852039166',
  '0251.0376.0251.0376',
  '169.254.43518',
  '[fe80::1]',
  '[169.254.169.254]',
])('S25 refuses: %s, however it is written', async (host) => {
  const outcome = await dial({ host, port: 80 }, new FakeClock()).then(
    (socket) => {
      socket.destroy();
      return 'connected';
    },
    (error: { code: string }) => error.code,
  );
  expect(['ACCESS_DENIED', 'UNAVAILABLE']).toContain(outcome);
  if (!host.startsWith('[')) expect(outcome).toBe('ACCESS_DENIED');
});

it.each([
  { host: '', port: 1 },
  { host: 'a', port: 0 },
  { host: 'a', port: 1.5 },
  { host: 'a\nb', port: 1 },
  { host: 'x'.repeat(256), port: 1 },
])('refuses: %j', async (target) => {
  await expect(dial(target, new FakeClock())).rejects.toMatchObject({ code: 'BAD_REQUEST' });
});
