// `gate recordings`: the commands of gatectl, with the eyes of a user: one's own sessions, and those that roles show.
import type { Api } from '#client/api.ts';
import type { Command } from '../../arguments.ts';
import { openProfileApi } from '../../profile/api.ts';
import { requireLogin } from '../../profile/choose.ts';
import type { Gate } from './context.ts';
import { recordingsExport as exportForAdmins } from '../gatectl/recordings-export.ts';
import { recordingsLs as listForAdmins } from '../gatectl/recordings-ls.ts';

/** What those commands need. */
interface RecordingContext extends Pick<Gate, 'io' | 'out'> {
  now(): number;
  api(): Promise<Api>;
}

export const recordingsLs = forUsers(listForAdmins);
export const recordingsExport = forUsers(exportForAdmins);

function forUsers(inner: Command<RecordingContext>): Command<Gate> {
  return {
    ...inner,
    examples: inner.examples.map((line) => line.replace(/^gatectl /, 'gate ')),
    async run({ io, out, wanted }, given) {
      const api = openProfileApi(io, await requireLogin(io, wanted));
      try {
        return await inner.run(
          { io, out, now: () => io.clock.now(), api: () => Promise.resolve(api) },
          given,
        );
      } finally {
        api.close();
      }
    },
  };
}
