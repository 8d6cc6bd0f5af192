// ~/.ssh/environment of the person, when the configuration permits it (permit_user_env).
import { join } from 'node:path';
import type { Account } from '../account/passwd.ts';
import { parseEnvironment } from '../process/environment.ts';
import { readUserFile, type UserFileParts } from '../process/user-file.ts';

/** Empty when there is none. */
export async function readUserEnvironment(
  parts: UserFileParts,
  account: Account,
): Promise<Record<string, string>> {
  return parseEnvironment(await readUserFile(parts, account, join(account.home, '.ssh', 'environment')));
}
