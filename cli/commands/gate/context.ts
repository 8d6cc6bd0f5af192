// What every command of gate works with.
import type { Io } from '../../io.ts';
import { Output, type Format } from '../../output.ts';
import type { Wanted } from '../../profile/choose.ts';

export interface Gate {
  readonly io: Io;
  readonly out: Output;
  /** Which login is meant, by flags or by the environment. */
  readonly wanted: Wanted;
}

export interface GateFlags extends Wanted {
  readonly format?: Format | undefined;
}

/** What a shell was given by `gate env`. */
export const ENVIRONMENT = {
  proxy: 'GATEHOUSE_PROXY',
  cluster: 'GATEHOUSE_CLUSTER',
  user: 'GATEHOUSE_USER',
} as const;

export function openGate(io: Io, { format, ...flags }: GateFlags): Gate {
  const named = (key: keyof typeof ENVIRONMENT): string | undefined =>
    flags[key] ?? (io.env[ENVIRONMENT[key]] || undefined);
  // A proxy or cluster that was named here must not be mixed with the other half of the environment.
  const isNamed = flags.proxy !== undefined || flags.cluster !== undefined;
  const wanted: Wanted = {
    proxy: isNamed ? flags.proxy : named('proxy'),
    cluster: isNamed ? flags.cluster : named('cluster'),
    user: named('user'),
  };
  return { io, out: new Output(io, format), wanted };
}
