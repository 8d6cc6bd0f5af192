// The listener itself: TLS, what it says to strangers, and the bounds on what a client can make it hold.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';

let house: TestAuth;
beforeAll(async () => {
  house = await startTestAuth();
});
afterAll(() => house.close());

describe('auth server', () => {
  test('ok: ping without an identity', async () => {
    const answer = await house.call(undefined, 'GET', '/v1/ping');
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ cluster_name: 'test.example.com', auth: { second_factor: 'otp' } });
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  test('ok: whoami as local admin', async () => {
    const answer = await house.call(house.admin, 'GET', '/v1/whoami');
    expect(answer.text).toContain('local-admin');
    expect(answer.status).toBe(200);
  });
});
