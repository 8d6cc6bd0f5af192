// Calls to auth over connections that somebody else makes: the server is proven as ever, and the way is used again.
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ping, whoami } from '#core/api/cluster.ts';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { openApi, type Api } from './api.ts';

let house: TestAuth;
let stranger: TestAuth;
const opened: Api[] = [];
beforeAll(async () => {
  house = await startTestAuth();
  stranger = await startTestAuth();
});
afterAll(async () => {
  for (const api of opened) api.close();
  await house.close();
  await stranger.close();
});

function apiBy(dial: (address: string) => Promise<Socket>): Api {
  const api = openApi({
    addresses: ['auth.invalid:3025'],
    authorities: [house.authority],
    identity: house.admin,
    dial,
  });
  opened.push(api);
  return api;
}

const dialTo = (auth: TestAuth): Promise<Socket> =>
  new Promise((resolve) => {
    const socket = connect(auth.auth.port, '127.0.0.1', () => resolve(socket));
  });

it('ok: asks for the address, speaks TLS on what it is given, and keeps the connection', async () => {
  const asked: string[] = [];
  const api = apiBy((address) => {
    asked.push(address);
    return dialTo(house);
  });
  expect((await api.call(ping, {})).cluster_name).toBe('test.example.com');
  expect(await api.call(whoami, {})).toMatchObject({ identity: { kind: 'admin' } });
  expect(asked).toEqual(['auth.invalid:3025']);
});

it('S30 refuses: another cluster at the other end of it', async () => {
  const api = apiBy(() => dialTo(stranger));
  await expect(api.call(ping, {})).rejects.toMatchObject({ code: 'CERTIFICATE_INVALID' });
});

it('refuses: what cannot be dialed, with the reason', async () => {
  const api = apiBy(() => Promise.reject(Object.assign(new Error('no way'), { code: 'ECONNREFUSED' })));
  await expect(api.call(ping, {})).rejects.toMatchObject({ code: 'UNAVAILABLE' });
});
