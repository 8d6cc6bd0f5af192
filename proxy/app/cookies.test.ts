// Cookies that another application planted for ours: browsers see no prefix in their names.
import { expect, it } from 'vitest';
import { cookieIn, halvesIn, isOwnCookie, WEB_COOKIE, withoutOwn } from './cookies.ts';

const value = (letter: string): string => `${letter.repeat(32)}.${letter.repeat(43)}`;

it.each(['\u00a0', '\ufeff', '\u2000', '\u000b', '\f'])('refuses: S12 a name behind %j', (blank) => {
  const planted = `${blank}${WEB_COOKIE}=${value('e')}`;
  expect(cookieIn(planted, WEB_COOKIE)).toBeUndefined();
  expect(halvesIn(`${WEB_COOKIE}=${value('a')}; ${planted}`, WEB_COOKIE)?.id).toBe('a'.repeat(32));
  // Nor does the application get it, nor may it set it through us.
  expect(withoutOwn(planted)).toBeUndefined();
  expect(isOwnCookie(planted)).toBe(true);
});
