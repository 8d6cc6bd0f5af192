// `gatectl recordings rm`: deletes recordings before their time. That it was done, and by whom, stays in the audit log.
import { deleteRecording } from '#core/api/recordings.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

export const recordingsRm = command({
  about: 'Needs a role that allows delete on session. The audit log keeps who deleted what.',
  flags: {},
  positionals: [{ name: 'SESSION', says: 'ids of sessions, as `recordings ls` shows them', isMany: true }],
  examples: ['gatectl recordings rm 4c146ec8-eab6-41e6-b1b3-40167e68e931'],
  async run(context: Gatectl, { words }) {
    const api = await context.api();
    for (const sid of words) {
      await api.call(deleteRecording, {}, { sid });
      context.out.line(oneLine(`The recording ${sid} has been deleted`));
    }
  },
});
