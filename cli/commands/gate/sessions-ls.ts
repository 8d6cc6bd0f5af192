// `gate sessions ls`: sessions that are going on, as far as the user may know of them.
import { participantsOf, sessionKind } from '#kinds/session/kind.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { relativeTime } from '../../format/text.ts';
import { openProfileApi } from '../../profile/api.ts';
import { requireLogin } from '../../profile/choose.ts';
import type { Gate } from './context.ts';

export const sessionsLs = command({
  flags: { user: flag.text({ says: 'Sessions that this user takes part in.', value: 'USER' }) },
  examples: ['gate sessions ls', 'gate sessions ls -f json | jq -r ".[].metadata.name"'],
  async run({ io, out, wanted }: Gate, { flags }) {
    const api = openProfileApi(io, await requireLogin(io, wanted));
    try {
      const sessions = (await api.list(sessionKind))
        .filter((session) => flags.user === undefined || participantsOf(session).includes(flags.user))
        .sort((one, other) => Date.parse(one.spec.created) - Date.parse(other.spec.created));
      await out.show(sessions, () =>
        out.table(
          ['ID', 'User', 'Login', 'Server', 'Began', 'State', 'Participants'],
          sessions.map((session) => [
            session.metadata.name,
            session.spec.user,
            session.spec.login,
            session.spec.server_hostname || session.spec.server_id,
            relativeTime(Date.parse(session.spec.created), io.clock.now()),
            session.spec.state,
            participantsOf(session).join(', '),
          ]),
        ),
      );
    } finally {
      api.close();
    }
  },
});
