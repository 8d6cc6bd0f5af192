// Paths on both sides of a transfer. Names that a server sends become names of files here, so they are checked before
// anything is made of them: one part of a path, and nothing that leads out of its folder (S26).
import { GatehouseError } from '#core/errors/error.ts';

/** CONDITION_FAILED unless it is one part of a path. */
export function requireSafeName(name: string): string {
  if (name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name)) return name;
  throw new GatehouseError(
    'CONDITION_FAILED',
    `the server sent ${JSON.stringify(name.slice(0, 80))} as the name of a file, which would leave the folder`,
    { details: { remedy: 'Nothing was written under that name. Do not trust this server.' } },
  );
}

export function joinRemote(folder: string, name: string): string {
  if (folder === '' || folder === '.') return name;
  return folder.endsWith('/') ? folder + name : `${folder}/${name}`;
}

/** The last part, as a name for the other side; '' when there is none, as of `/` or `..`. */
export function lastPart(path: string): string {
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? '';
  return name === '.' || name === '..' ? '' : name;
}

export const hasWildcard = (path: string): boolean => /[*?[]/.test(path);
