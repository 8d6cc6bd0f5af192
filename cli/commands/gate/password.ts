// Where a password comes from: a file, or a terminal. Never from the command line, which every user of a machine sees.
import * as flag from '../../arguments.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';
import type { Io } from '../../io.ts';
import { readSecretFile } from '../../private-files.ts';
import { askSecret, askText } from '../../prompt.ts';

export const passwordFlags = {
  'password-file': flag.text({
    says: 'Read the password from this file; also GATEHOUSE_PASSWORD_FILE.',
    value: 'FILE',
  }),
  otp: flag.text({ says: 'The one-time code; asked for without it.', value: 'CODE' }),
};

const INSTEAD = 'pass --password-file';

/** `isNew` asks twice. */
export async function readPassword(
  io: Io,
  file: string | undefined,
  { isNew, question }: { readonly isNew: boolean; readonly question: string },
): Promise<Secret> {
  const path = file ?? (io.env['GATEHOUSE_PASSWORD_FILE'] || undefined);
  if (path !== undefined) {
    const password = new Secret(await readSecretFile(path));
    if (password.reveal() !== '') return password;
    throw new GatehouseError('BAD_REQUEST', `${path} is empty`);
  }
  const password = await askSecret(io, question, INSTEAD);
  if (!isNew) return password;
  const again = await askSecret(io, 'The same password again: ', INSTEAD);
  if (again.reveal() === password.reveal()) return password;
  throw new GatehouseError('USAGE', 'the two passwords differ', { details: { remedy: 'Try again.' } });
}

/** What the cluster asks for besides the password: `off`, `optional` or anything else for a code. */
export async function readOtp(
  io: Io,
  given: string | undefined,
  factor: string,
): Promise<{ readonly otp?: string }> {
  if (given !== undefined) return { otp: given };
  if (factor === 'off') return {};
  if (factor === 'optional' && io.stdin.isTTY !== true) return {};
  const question = factor === 'optional' ? 'One-time code (Enter for none): ' : 'One-time code: ';
  const otp = await askText(io, question, 'pass --otp');
  return otp === '' ? {} : { otp };
}
