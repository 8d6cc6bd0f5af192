// A login that can open sessions; where there is none and somebody is at the terminal, it is asked for first, as part of
// the command that needs it.
import { isCode } from '#core/errors/error.ts';
import { Output } from '../output.ts';
import { canAsk } from '../prompt.ts';
import { requireProxyLogin } from '../profile/choose.ts';
import type { Profile, ProfileProxy } from '../profile/profile.ts';
import type { Flags, FlagValues, Command } from '../arguments.ts';
import type { Gate } from '../commands/gate/context.ts';

export interface LoginFirstOptions {
  /** False in scripts: nothing is ever asked. */
  readonly mayAsk: boolean;
  /** For how long the certificates are wanted; as --ttl of `gate login`. */
  readonly ttlMs?: number | undefined;
}

/** UNAUTHENTICATED says how to get one. */
export async function loginFirst(
  gate: Gate,
  { mayAsk, ttlMs }: LoginFirstOptions,
): Promise<Profile & { readonly proxy: ProfileProxy }> {
  const { io, wanted } = gate;
  try {
    return await requireProxyLogin(io, wanted);
  } catch (error) {
    if (!mayAsk || !canAsk(io) || !isCode(error, 'UNAUTHENTICATED')) throw error;
  }
  const { login } = await import('../commands/gate/login.ts');
  await login.run(quiet(gate), { flags: { ...emptyFlags(login), ttl: ttlMs }, words: [] });
  return requireProxyLogin(io, wanted);
}

/** What the command would have been given without any flag. */
function emptyFlags(command: Command<Gate>): FlagValues<Flags> {
  return Object.fromEntries(Object.entries(command.flags).map(([name, flag]) => [name, flag.read([], name)]));
}

/** What login prints is for who called it; here the output belongs to the session. */
function quiet(gate: Gate): Gate {
  const io = { ...gate.io, stdout: { write: () => true } };
  return { ...gate, io, out: new Output(io, undefined) };
}
