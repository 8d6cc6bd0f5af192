// `gatectl recordings export`: a recording for other programs. Only plain text may go to a terminal: the rest holds what
// the session printed, which may be made to harm it.
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { apiRecordingSource } from '#client/recordings.ts';
import { EXPORT_FORMATS, exportRecording } from '#recordings/playback/export.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { cannot, place, requireFree } from '../../private-files.ts';
import type { Gatectl } from './context.ts';

const FORMATS = [
  'text',
  'bytes',
  'events',
  'asciicast',
  'json',
] as const satisfies readonly (keyof typeof EXPORT_FORMATS)[];

type Parts = AsyncIterable<string | Uint8Array>;

export const recordingsExport = command({
  about: FORMATS.map((name) => `${name.padEnd(10)} ${EXPORT_FORMATS[name]}`).join('\n'),
  flags: {
    as: flag.oneOf(FORMATS, { says: 'In which format, see above. (text)' }),
    out: flag.text({ says: 'The file to write; standard output without it.', short: 'o', value: 'FILE' }),
    overwrite: flag.toggle({ says: 'Replace a file that exists.' }),
  },
  positionals: [{ name: 'SESSION', says: 'the id of a session, as `recordings ls` shows it' }],
  examples: [
    'gatectl recordings export 4c146ec8-eab6-41e6-b1b3-40167e68e931',
    'gatectl recordings export 4c146ec8-eab6-41e6-b1b3-40167e68e931 --as=asciicast --out=session.cast',
    'gatectl recordings export 4c146ec8-eab6-41e6-b1b3-40167e68e931 --as=bytes --out=4c146ec8.session.bytes',
  ],
  async run(context: Gatectl, { flags, words: [sid = ''] }) {
    const { as = 'text', out: path, overwrite } = flags;
    const { io, out } = context;
    if (path === undefined && as !== 'text' && io.stdout.isTTY === true) {
      throw usage(`--out is missing: ${as} is not for a terminal`);
    }
    if (path !== undefined && !overwrite) await requireFree([path]);
    const api = await context.api();
    let findings = 0;
    const onFinding = ({ message }: { readonly message: string }): void => {
      findings += 1;
      out.note(message);
    };
    const parts = exportRecording(apiRecordingSource(api, sid), as, { onFinding });
    if (path === undefined) for await (const part of parts) io.stdout.write(part);
    else await save(parts, path, overwrite);
    if (path !== undefined) out.note(oneLine(`The recording has been written to ${path}`));
    return findings === 0 ? 0 : 1;
  },
});

/** The file has its name only when it is whole and on the disk. */
async function save(parts: Parts, path: string, overwrite: boolean): Promise<void> {
  const draft = join(dirname(path), `.${randomBytes(6).toString('hex')}.draft`);
  try {
    const file = await open(draft, 'wx', 0o600).catch((cause: unknown) => {
      throw cannot('write', path, cause);
    });
    try {
      for await (const part of parts) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await place(draft, path, overwrite);
  } finally {
    await rm(draft, { force: true });
  }
}
