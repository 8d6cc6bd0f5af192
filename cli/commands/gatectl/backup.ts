// `gatectl backup`: a consistent copy of the whole store in one file. It holds every key of the cluster.
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { backup as backupCall } from '#core/api/cluster.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { cannot, place, requireFree } from '../../private-files.ts';
import type { Gatectl } from './context.ts';

const STEP_BYTES = 8 * 1024 * 1024;

export const backup = command({
  about:
    'For the local admin only. The copy is taken while the service runs and is as secret as the cluster itself.',
  flags: {
    out: flag.text({ says: 'The file to write; needed.', short: 'o', value: 'FILE' }),
    overwrite: flag.toggle({ says: 'Replace a file that exists.' }),
  },
  examples: ['gatectl backup --out=/backup/gatehouse.db'],
  async run(context: Gatectl, { flags: { out, overwrite } }) {
    if (out === undefined) throw usage('--out is missing: where to write');
    if (!overwrite) await requireFree([out]);
    const api = await context.api();
    const bytes = await save(context, await api.download(backupCall.path), out, overwrite);
    await context.out.show({ path: out, bytes }, () =>
      context.out.line(oneLine(`The backup has been written to ${out} (${bytes} bytes)`)),
    );
  },
});

/** The file has its name only when it is whole and on the disk. */
async function save(
  context: Gatectl,
  body: AsyncIterable<Uint8Array>,
  path: string,
  overwrite: boolean,
): Promise<number> {
  const draft = join(dirname(path), `.${randomBytes(6).toString('hex')}.draft`);
  let bytes = 0;
  let told = 0;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      for await (const part of body) {
        await file.writeFile(part);
        bytes += part.length;
        if (context.io.stderr.isTTY === true && bytes - told >= STEP_BYTES) {
          told = bytes;
          context.io.stderr.write(`\r${Math.floor(bytes / 1024 / 1024)} MiB `);
        }
      }
      await file.sync();
    } finally {
      await file.close();
    }
    if (told > 0) context.io.stderr.write('\r');
    if (bytes === 0) throw new GatehouseError('UNAVAILABLE', 'the server sent an empty backup');
    await place(draft, path, overwrite);
    return bytes;
  } catch (cause) {
    const isBrokenOff = bytes > 0 && isCode(cause, 'UNAVAILABLE');
    throw isCode(cause) && !isBrokenOff ? cause : failed(path, cause);
  } finally {
    await rm(draft, { force: true });
  }
}

function failed(path: string, cause: unknown): GatehouseError {
  const { code, syscall } = cause as NodeJS.ErrnoException;
  if (syscall === 'open' || syscall === 'write' || code === 'ENOSPC') return cannot('write', path, cause);
  return new GatehouseError(
    'UNAVAILABLE',
    'the connection ended before the backup was complete; nothing was kept',
    { cause },
  );
}
