import { expect, it } from 'vitest';
import { refusalOf } from '#test/kit/certs.ts';
import { dial, peerDial, tunnelHello, tunnelWelcome } from './protocol.ts';

const bytes = (value: unknown): Uint8Array => new Uint8Array(Buffer.from(JSON.stringify(value)));
const client = '[2001:db8::1]:50000';

it('ok: what is written is read, and a newer end may say more', () => {
  const said = { service: 'ssh', client } as const;
  expect(dial.decode(dial.encode(said))).toEqual(said);
  expect(peerDial.decode(bytes({ ...said, target: 'node-1', later: { x: 1 } }))).toEqual({
    ...said,
    target: 'node-1',
  });
  expect(tunnelHello.decode(tunnelHello.encode({ services: ['ssh', 'later'] })).services).toEqual([
    'ssh',
    'later',
  ]);
  expect(tunnelWelcome.decode(bytes({ proxy_id: 'p' }))).toEqual({ proxy_id: 'p' });
});

it.each<[string, Uint8Array]>([
  ['nothing', new Uint8Array()],
  ['no object', bytes(null)],
  ['a list', bytes([])],
  ['no JSON', Uint8Array.of(0x7b)],
  ['another service', bytes({ service: 'tcp', client })],
  ['a client by name', bytes({ service: 'ssh', client: 'localhost:1' })],
  ['no client', bytes({ service: 'ssh' })],
  ['S33 too much', bytes({ service: 'ssh', client, x: 'x'.repeat(5000) })],
])('refuses: %s', (_, input) => {
  expect(refusalOf(() => dial.decode(input))).toMatch(/^BAD_REQUEST/);
});
