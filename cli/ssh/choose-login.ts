// Which account is meant when none was named: the one that the person's certificates leave no doubt about. Pure.
import { usage } from '../arguments.ts';
import type { Profile } from '../profile/profile.ts';

/** `named` in order of preference. USAGE lists the choice when there is one. */
export function chooseLogin(
  profile: Pick<Profile, 'logins'>,
  named: readonly (string | undefined)[],
  localUser: string | undefined,
): string {
  const given = named.find((one) => one !== undefined);
  if (given !== undefined) return given;
  const { logins } = profile;
  const [only] = logins;
  if (only !== undefined && logins.length === 1) return only;
  if (localUser !== undefined && (logins.includes(localUser) || logins.length === 0)) return localUser;
  throw usage(
    only === undefined
      ? 'LOGIN is missing, as in root@web-1'
      : `LOGIN is missing, as in ${only}@web-1; yours are ${logins.slice(0, 20).join(', ')}`,
  );
}
