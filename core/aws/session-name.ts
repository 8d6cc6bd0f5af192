// The name that an assumed role carries into CloudTrail: the person's own name, in the letters that AWS allows. Separate,
// because two people must never get the same name.
import { createHash } from 'node:crypto';

const ALLOWED = /^[\w+=,.@-]{2,64}$/;
const NOT_ALLOWED = /[^\w+=,.@-]/g;
const MAX = 64;
const MARK = 8;

/**
 * The session name of a person. Their name as it is when AWS allows it; else what is left of it and a mark of the whole,
 * so that different people have different names. `max` is 32 for names of federated users.
 */
export function awsSessionName(user: string, max: number = MAX): string {
  if (user.length <= max && ALLOWED.test(user)) return user;
  const mark = createHash('sha256').update(user, 'utf8').digest('hex').slice(0, MARK);
  return `${user.replace(NOT_ALLOWED, '-').slice(0, max - MARK - 1)}-${mark}`;
}
