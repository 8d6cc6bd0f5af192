// Cookies of ours: bound to one origin by their prefix, not for scripts, and not sent with requests that other sites make,
// except when somebody follows a link. What they hold is two halves, of which neither is good alone. Pure.

export const WEB_COOKIE = '__Host-gatehouse-session';
export const APP_COOKIE = '__Host-gatehouse-app';
const LAUNCH_PREFIX = '__Host-gatehouse-launch-';
const OWN_PREFIX = '__Host-gatehouse';

export interface Halves {
  readonly id: string;
  readonly secret: string;
}

/**
 * What may stand around a cookie, and nothing more: to a browser, a name that begins with another sort of blank has no
 * prefix, so that an application beside this one could set it here.
 */
const BLANKS = /^[\t ]+|[\t ]+$/g;
const HALVES = /^([0-9a-f]{32})\.([\w-]{43})$/;

/** Undefined when the header has no such cookie, two of them, or one of another form. */
export function halvesIn(header: string | undefined, name: string): Halves | undefined {
  const match = HALVES.exec(cookieIn(header, name) ?? '');
  return match === null ? undefined : { id: match[1] ?? '', secret: match[2] ?? '' };
}

export const halvesText = ({ id, secret }: Halves): string => `${id}.${secret}`;

/** Two of one name: one of them is not ours to believe. */
export function cookieIn(header: string | undefined, name: string): string | undefined {
  if (header === undefined || !header.includes(name)) return undefined;
  const found = header
    .split(';')
    .map((cookie) => cookie.replace(BLANKS, ''))
    .filter((cookie) => cookie.startsWith(`${name}=`));
  return found.length === 1 ? found[0]?.slice(name.length + 1) : undefined;
}

/** `seconds` 0 removes it. */
export function setCookie(name: string, value: string, seconds: number): string {
  return `${name}=${value}; Path=/; Max-Age=${Math.max(0, Math.floor(seconds))}; Secure; HttpOnly; SameSite=Lax`;
}

/** Held by the browser that begins a launch, until it is back: one for each, because tabs begin side by side. */
export const launchCookie = (state: string): string => `${LAUNCH_PREFIX}${state.slice(0, 16)}`;

/** Names of launches that are under way, the oldest first. */
export function launchesIn(header: string | undefined): readonly string[] {
  const names = (header ?? '').split(';').map((cookie) => cookie.split('=', 1)[0]?.trim() ?? '');
  return names.filter((name) => /^__Host-gatehouse-launch-[\w-]{16}$/.test(name));
}

/** The header without cookies of ours; undefined when nothing is left. */
export function withoutOwn(header: string): string | undefined {
  if (!header.includes(OWN_PREFIX)) return header;
  const kept = header.split(';').filter((cookie) => !cookie.trim().startsWith(OWN_PREFIX));
  return kept.length === 0 ? undefined : kept.join(';').trim();
}

export const isOwnCookie = (setCookieValue: string): boolean =>
  setCookieValue.trimStart().startsWith(OWN_PREFIX);
