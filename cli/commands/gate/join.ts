// `gate join`: takes part in a session that is going on, on the server that runs it.
import { JOIN_LOGIN } from '#core/access/ssh-access.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { PARTICIPANT_MODES, sessionKind } from '#kinds/session/kind.ts';
import { JOIN_MODE_VARIABLE, joinSubsystem } from '#wire/join-request.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { openProfileApi } from '../../profile/api.ts';
import type { Profile } from '../../profile/profile.ts';
import { readSshIdentity } from '../../ssh/identity.ts';
import { loginFirst } from '../../ssh/login-first.ts';
import { oneSession } from '../../ssh/session/one-session.ts';
import { CONNECTION_FAILED } from '../../ssh/session/run-session.ts';
import { sshSettings, type SshFlags } from '../../ssh/settings.ts';
import type { Gate } from './context.ts';

const SESSION_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export const join = command({
  about:
    'A peer types and sees, an observer sees, a moderator sees and may end the session: Ctrl-T and then t ends it,\np pauses it, c lets it go on. Observers and moderators leave with Ctrl-C, everybody with ~. after a newline.',
  flags: {
    mode: flag.oneOf(PARTICIPANT_MODES, { says: 'As what. (observer)', short: 'm' }),
    quiet: flag.toggle({ says: 'No remarks and banners.', short: 'q' }),
    ttl: flag.duration({ says: 'When there is no login yet: for how long.' }),
  },
  positionals: [{ name: 'SESSION', says: 'its id, as `gate sessions ls` shows it' }],
  failureCode: CONNECTION_FAILED,
  examples: [
    'gate join 4c146ec8-eab6-41e6-b1b3-40167e68e931 --mode=observer',
    'gate join 4c146ec8-eab6-41e6-b1b3-40167e68e931 --mode=peer',
  ],
  async run(gate: Gate, { flags, words: [id = ''] }) {
    const { io } = gate;
    if (!SESSION_ID.test(id))
      throw usage('SESSION must be the id of a session, as `gate sessions ls` shows it');
    const settings = sshSettings(joinFlags(flags.quiet), io.env);
    const profile = await loginFirst(gate, { mayAsk: true, ttlMs: flags.ttl });
    const identity = await readSshIdentity(io, profile.cluster);
    const serverId = await serverOf(gate, profile, id);
    return oneSession({
      io,
      profile,
      identity,
      settings,
      server: { target: serverId },
      login: JOIN_LOGIN,
      program: { is: 'subsystem', name: joinSubsystem(id) },
      env: [[JOIN_MODE_VARIABLE, flags.mode ?? 'observer']],
      hasNoInput: false,
    });
  },
});

const joinFlags = (quiet: boolean): SshFlags => ({
  login: undefined,
  port: undefined,
  'local-forward': [],
  'remote-forward': [],
  'dynamic-forward': [],
  'forward-agent': false,
  'no-forward-agent': true,
  tty: 2,
  'no-tty': false,
  quiet,
  option: [],
});

/** NOT_FOUND when there is none that the user may know of. */
async function serverOf({ io }: Gate, profile: Profile, id: string): Promise<string> {
  const api = openProfileApi(io, profile);
  try {
    return (await api.get(sessionKind, id)).spec.server_id;
  } catch (error) {
    if (!isCode(error, 'NOT_FOUND', 'ACCESS_DENIED')) throw error;
    throw new GatehouseError('NOT_FOUND', 'no such session is going on', {
      cause: error,
      details: { remedy: '`gate sessions ls` lists those there are.' },
    });
  } finally {
    api.close();
  }
}
