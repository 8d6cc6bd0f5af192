// `gatectl recordings verify`: every segment there and unchanged, and the last one as the audit log remembers it. Exit
// code 1 when something is wrong.
import { verifyRecording } from '#core/api/recordings.ts';
import type { Infer } from '#core/schema/schema.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

export const recordingsVerify = command({
  about:
    'The auth service reads all of each recording. A recording that goes on has no end, and so is not whole yet.',
  flags: {},
  positionals: [{ name: 'SESSION', says: 'ids of sessions, as `recordings ls` shows them', isMany: true }],
  examples: ['gatectl recordings verify 4c146ec8-eab6-41e6-b1b3-40167e68e931'],
  async run(context: Gatectl, { words }) {
    const api = await context.api();
    const { out } = context;
    const reports: (Infer<typeof verifyRecording.reply> & { readonly sid: string })[] = [];
    for (const sid of words) reports.push({ sid, ...(await api.call(verifyRecording, {}, { sid })) });
    await out.show(reports, () => {
      for (const { sid, ok, segments, bytes, anchored, findings } of reports) {
        const size = `${segments} ${segments === 1 ? 'segment' : 'segments'}, ${bytes} bytes`;
        out.painted(`${oneLine(sid)} is ${ok ? 'whole' : 'NOT whole'}: ${size}.`, ok ? 'green' : 'red');
        if (!anchored)
          out.line('  The audit log knows nothing of its upload: its end is as the recording says.');
        for (const { finding, message } of findings) out.line(oneLine(`  ${finding}  ${message}`));
      }
    });
    return reports.every(({ ok }) => ok) ? 0 : 1;
  },
});
