// A login as people and programs are shown it: never with its keys.
import { oneLine, relativeTime } from '../../format/text.ts';
import type { Profile } from '../../profile/profile.ts';

export function summary(profile: Profile): object {
  const { user, cluster, roles, logins, expires, auth_servers, proxy } = profile;
  const at = proxy === undefined ? {} : { profile_url: `https://${proxy.web}`, proxy: proxy.web };
  return { ...at, username: user, cluster, roles, logins, valid_until: expires, auth_servers };
}

export function statusLines(
  { cluster, user, roles, logins, expires, proxy }: Profile,
  now: number,
): string[] {
  const end = Date.parse(expires);
  const until = end > now ? `${expires} (${relativeTime(end, now)})` : `EXPIRED ${relativeTime(end, now)}`;
  return [
    ...(proxy === undefined ? [] : [['Proxy', proxy.web]]),
    ['Cluster', cluster],
    ['User', user],
    ['Roles', roles.join(', ')],
    ['Logins', logins.join(', ')],
    ['Valid until', until],
  ].map(([title = '', value = '']) => `${title.padEnd(11)} ${oneLine(value)}`.trimEnd());
}
