// `gatectl recordings ls`: recordings that the caller may see, newest first.
import { eachRecording, type RecordingFilter } from '#client/recordings.ts';
import type { Recording } from '#core/api/recordings.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { timeOf, TIMES_SAY } from './time-flags.ts';

export const recordingsLs = command({
  about: TIMES_SAY,
  flags: {
    from: flag.text({ says: 'Sessions that began then or later.', value: 'TIME' }),
    to: flag.text({ says: 'Sessions that began before.', value: 'TIME' }),
    user: flag.text({ says: 'Sessions of this user.', value: 'USER' }),
    server: flag.text({ says: 'Sessions on the server of this id.', value: 'ID' }),
    kind: flag.oneOf(['interactive', 'exec', 'database'] as const, {
      says: 'With a terminal, or commands without one.',
    }),
    limit: flag.integer(100, { says: 'At most so many.', min: 1, max: 100_000 }),
  },
  examples: [
    'gatectl recordings ls --from=24h',
    'gatectl recordings ls --user=joe --kind=interactive --format=json',
  ],
  async run(context: Gatectl, { flags }) {
    const { user, server, kind } = flags;
    const filter: RecordingFilter = {
      ...timeOf('from', flags.from, context.now()),
      ...timeOf('to', flags.to, context.now()),
      ...(user === undefined ? {} : { user }),
      ...(server === undefined ? {} : { server_id: server }),
      ...(kind === undefined ? {} : { kind }),
    };
    const recordings: Recording[] = [];
    for await (const one of eachRecording(await context.api(), filter, flags.limit)) recordings.push(one);
    await context.out.show(recordings, () =>
      context.out.table(
        ['ID', 'Type', 'User', 'Login', 'Server', 'Started', 'Ended', 'Status'],
        recordings.map(rowOf),
      ),
    );
  },
});

function rowOf(one: Recording): string[] {
  const { sid, kind = '', user = '', login = '', server_id = '', server_hostname = '' } = one;
  const { started, ended = '', status } = one;
  return [sid, kind, user, login, server_hostname || server_id, started, ended, status];
}
