// S9 with real hashing and a real clock: refused logins of users who exist and of those who do not take the same time.
// Wide bounds, since other work runs on the machine; what is done is compared exactly in login.test.ts.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAccounts, type Signed, type TestAccounts } from '#test/kit/accounts.ts';
import { Passwords } from './password.ts';
import { WINDOW_MS } from './attempts.ts';

const ROUNDS = 15;
const MOST = 1.5;
let house: TestAccounts;
let joe: Signed;
beforeAll(async () => {
  house = await startAccounts();
  Object.assign(house.context, { passwords: new Passwords() });
  joe = await house.signUp('joe');
});
afterAll(() => house.close());

const median = (values: readonly number[]): number =>
  [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;

test('S9 unknown user, wrong password and wrong code take as long, within a half', async () => {
  const requests = {
    unknown: { user: 'nobody', otp: '123456' },
    password: { user: 'joe', password: 'not the words at all', otp: '123456' },
    code: { user: 'joe', otp: house.codeOf(joe) === '123456' ? '654321' : '123456' },
  };
  const times: Record<string, number[]> = { unknown: [], password: [], code: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, request] of Object.entries(requests)) {
      const begin = performance.now();
      await expect(house.login(request)).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });
      times[name]?.push(performance.now() - begin);
    }
    await house.clock.advance(WINDOW_MS + 1);
  }
  const medians = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, median(values)]));
  const all = Object.values(medians);
  expect(Math.max(...all) / Math.min(...all), JSON.stringify(medians)).toBeLessThan(MOST);
});
