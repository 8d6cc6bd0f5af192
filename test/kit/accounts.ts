// For tests of logins and invites: the parts of auth they need, with hashing that is cheap and counted, users with a
// password and an authenticator app, and the codes that the app shows.
import { createHash } from 'node:crypto';
import { acceptInvite, openInvite } from '#auth/accounts/accept-invite.ts';
import type { InviteContext } from '#auth/accounts/context.ts';
import { createInvite } from '#auth/accounts/create-invite.ts';
import { logIn, type LoginRequest } from '#auth/accounts/login.ts';
import { decodeOtpSecret, otpCode, otpCounter } from '#auth/accounts/otp.ts';
import { Passwords, type PasswordsOptions } from '#auth/accounts/password.ts';
import type { Caller } from '#auth/guard/caller.ts';
import { openGuard } from '#auth/guard/guard.ts';
import type { UserCertificates } from '#core/api/login.ts';
import type { EventInput } from '#events/catalogue.ts';
import { callerOf, CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from './auth-context.ts';
import { makeResource, makeRole } from './state.ts';

export const PASSWORD = 'four unrelated words here';
export const ADMIN: Caller = callerOf({ kind: 'admin', cluster: CLUSTER, name: 'local-admin' });
const STEP_MS = 30_000;

export interface Signed {
  readonly name: string;
  /** Base32. */
  readonly secret: string;
}

export interface TestAccounts extends TestAuth {
  readonly context: TestAuth['context'] & InviteContext;
  /** How often a password was hashed so far. */
  hashes(): number;
  setPreference(spec: object): Promise<void>;
  /** A user who has accepted an invite; the clock moves on by a step, so that the next code is a new one. */
  signUp(name: string, options?: { readonly password?: string; readonly roles?: string[] }): Promise<Signed>;
  /** What the app of the user shows now. */
  codeOf(signed: Signed): string;
  login(request: Partial<LoginRequest> & { user: string }, address?: string): Promise<UserCertificates>;
  /** Events of a type, in order. */
  eventsOf(type: EventInput['event']): readonly EventInput[];
}

const keys = makeKeyTexts();

/** The caller closes it. The role `dev` is there. */
export async function startAccounts(options: PasswordsOptions = {}): Promise<TestAccounts> {
  const test = await startTestAuth();
  const { state, clock, authorities } = test;
  let count = 0;
  const passwords = new Passwords({
    derive: async (password, { salt }, length) => {
      count += 1;
      return createHash('sha256').update(password).update(salt).digest().subarray(0, length);
    },
    ...options,
  });
  const guard = openGuard({ state, authorities, audit: test.context.audit, clock, clusterName: CLUSTER });
  const context = { ...test.context, passwords, guard };
  await state.write([{ do: 'put', resource: makeRole('dev', { logins: ['root'] }) }]);
  const codeOf = ({ secret }: Signed): string => otpCode(decodeOtpSecret(secret), otpCounter(clock.now()));
  return {
    ...test,
    context,
    hashes: () => count,
    codeOf,
    async setPreference(spec) {
      const resource = makeResource('cluster_auth_preference', 'cluster-auth-preference', spec);
      await state.write([{ do: 'put', resource }]);
    },
    async signUp(name, { password = PASSWORD, roles = ['dev'] } = {}) {
      const asked = { user: name, purpose: 'invite', roles, traits: {}, ttl: '1h' } as const;
      const { token } = await createInvite(context, ADMIN, asked);
      const { otp_uri } = await openInvite(context, callerOf(), token);
      const secret = otp_uri === undefined ? '' : (new URL(otp_uri).searchParams.get('secret') ?? '');
      const signed = { name, secret };
      const otp = secret === '' ? {} : { otp: codeOf(signed) };
      await acceptInvite(context, callerOf(), { token, password, ...otp });
      await clock.advance(STEP_MS);
      return signed;
    },
    login: (request, address) =>
      logIn(context, callerOf(undefined, address), { password: PASSWORD, ...keys, ...request }),
    eventsOf: (type) => test.events.filter(({ event }) => event === type),
    async close() {
      guard.close();
      await test.close();
    },
  };
}
