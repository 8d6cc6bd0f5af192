// What went wrong, in the words of SFTP.
import { isCode } from '#core/errors/error.ts';
import { STATUS } from '#wire/sftp/protocol.ts';

const CODES: Readonly<Record<string, number>> = {
  ENOENT: STATUS.noSuchFile,
  ENOTDIR: STATUS.noSuchFile,
  ELOOP: STATUS.noSuchFile,
  EACCES: STATUS.permissionDenied,
  EPERM: STATUS.permissionDenied,
  EROFS: STATUS.permissionDenied,
  ENOSYS: STATUS.unsupported,
  ENOTSUP: STATUS.unsupported,
  EOPNOTSUPP: STATUS.unsupported,
};
const WORDS: Readonly<Record<number, string>> = {
  [STATUS.noSuchFile]: 'no such file',
  [STATUS.permissionDenied]: 'permission denied',
  [STATUS.unsupported]: 'not supported',
};

/** For errors of the file system and our own; anything else is a failure without words. */
export function statusOf(error: unknown): { readonly code: number; readonly message: string } {
  if (isCode(error, 'NOT_SUPPORTED')) return { code: STATUS.unsupported, message: error.message };
  if (isCode(error, 'BAD_REQUEST')) return { code: STATUS.badMessage, message: error.message };
  if (isCode(error)) return { code: STATUS.failure, message: error.message };
  const { code: name } = error as NodeJS.ErrnoException;
  const code = CODES[name ?? ''] ?? STATUS.failure;
  return { code, message: WORDS[code] ?? `failure (${name ?? 'unknown'})` };
}
