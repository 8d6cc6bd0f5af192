// The name that an assumed role carries into CloudTrail: the person's own name, in the letters that AWS allows. Separate,
// because two people must never get the same name.
import { createHash } from 'node:crypto';

const ALLOWED = /^[\w+=,.@-]{2,64}$/;
const NOT_ALLOWED = /[^\w+=,.@-]/g;
const MAX = 64;
/** Long enough that nobody finds another name with the same one. */
const MARK = 16;
/** A name that could be a marked one gets a mark as well, or it would be somebody else's. */
const MARKED = /-[0-9a-f]{16}$/;

/**
 * The session name of a person. Their name as it is when AWS allows it; else what is left of it and a mark of the whole,
 * so that different people have different names.
 */
export function awsSessionName(user: string): string {
  if (user.length <= MAX && ALLOWED.test(user) && !MARKED.test(user)) return user;
  const mark = createHash('sha256').update(user, 'utf8').digest('hex').slice(0, MARK);
  return `${user.replace(NOT_ALLOWED, '-').slice(0, MAX - MARK - 1)}-${mark}`;
}
