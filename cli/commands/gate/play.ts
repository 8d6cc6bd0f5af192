// `gate play`: a recorded session, from the cluster or from a file.
import { stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { apiRecordingSource } from '#client/recordings.ts';
import { isSessionId } from '#recordings/meta.ts';
import { exportFrames, exportRecording, playAsJson } from '#recordings/playback/export.ts';
import type { FrameSource } from '#recordings/playback/player.ts';
import { readExport } from '#recordings/playback/read-export.ts';
import type { RecordingSource } from '#recordings/source.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { openProfileApi } from '../../profile/api.ts';
import { requireLogin } from '../../profile/choose.ts';
import { inFile } from '../../ssh/sftp/transfer.ts';
import { playOnTerminal } from '../../play/play-terminal.ts';
import type { Gate } from './context.ts';

const DEFAULT_IDLE_MS = 2000;

export const play = command({
  about:
    'RECORDING is the id of a session, or a file from `gate recordings export --as=json` or of asciinema.\nKeys: space pauses, left and right go back and forth by ten seconds, up and down change the speed, q ends it.\nWhat would make this terminal do more than show text is left out. Formats text and json print all of it at once.',
  flags: {
    format: flag.oneOf(['pty', 'text', 'json'] as const, {
      says: 'On a terminal, as plain text, or every frame; of databases their events. (pty on a terminal, else text)',
      short: 'f',
    }),
    speed: flag.text({ says: 'How much faster, from 0.1 to 100. (1)', value: 'N' }),
    seek: flag.duration({ says: 'Where to begin.' }),
    'skip-idle': flag.toggle({ says: 'No pause is longer than two seconds.' }),
    'max-idle': flag.duration({ says: 'No pause is longer.' }),
  },
  positionals: [{ name: 'RECORDING', says: 'session id or file' }],
  examples: [
    'gate play 4c146ec8-eab6-41e6-b1b3-40167e68e931',
    'gate play 4c146ec8-eab6-41e6-b1b3-40167e68e931 --speed=4 --skip-idle',
    'gate play session.json -f text | less',
  ],
  async run({ io, out, wanted }: Gate, { flags, words: [what = ''] }) {
    const { source, close } = await openRecording({ io, wanted }, what);
    let findings = 0;
    const onFinding = (message: string): void => {
      findings++;
      out.note(message);
    };
    try {
      const format = flags.format ?? (io.stdout.isTTY === true ? 'pty' : 'text');
      if (format === 'pty') {
        const maxIdleMs = flags['max-idle'] ?? (flags['skip-idle'] ? DEFAULT_IDLE_MS : undefined);
        const speed = readSpeed(flags.speed);
        await playOnTerminal({ io, source, speed, maxIdleMs, fromMs: flags.seek ?? 0, onFinding });
      } else {
        const parts =
          'frames' in source
            ? exportFrames(source.frames(), format)
            : (format === 'json' ? playAsJson : exportText)(source, {
                onFinding: ({ message }) => onFinding(message),
              });
        for await (const part of parts) io.stdout.write(part);
      }
    } finally {
      close();
    }
    return findings === 0 ? 0 : 1;
  },
});

const exportText = (source: RecordingSource, options: Parameters<typeof playAsJson>[1]) =>
  exportRecording(source, 'text', options);

interface OpenedRecording {
  readonly source: RecordingSource | FrameSource;
  close(): void;
}

/** A session id is one, even when there is a file of that name. */
async function openRecording(
  { io, wanted }: Pick<Gate, 'io' | 'wanted'>,
  what: string,
): Promise<OpenedRecording> {
  if (isSessionId(what)) {
    const api = openProfileApi(io, await requireLogin(io, wanted));
    return { source: apiRecordingSource(api, what), close: () => api.close() };
  }
  const found = await stat(what).catch((cause: unknown) => {
    throw inFile(what, cause);
  });
  if (!found.isFile()) throw usage('RECORDING must be the id of a session or a file');
  return { source: { frames: () => readExport(createReadStream(what)) }, close() {} };
}

function readSpeed(text: string | undefined): number {
  if (text === undefined) return 1;
  const speed = /^\d{1,3}(?:\.\d{1,3})?x?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
  if (speed >= 0.1 && speed <= 100) return speed;
  throw usage('--speed must be a number from 0.1 to 100');
}
