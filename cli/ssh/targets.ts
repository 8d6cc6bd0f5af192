// From what stands for servers on a command line to servers: one by its name, or all that have the labels. Labels are
// looked up here, so that each connection is to one machine, by its id, and its certificate is checked for that id.
import { GatehouseError } from '#core/errors/error.ts';
import type { Io } from '../io.ts';
import type { Profile } from '../profile/profile.ts';
import type { Destination } from './destination.ts';
import type { ServerAddress } from './open-server.ts';

export interface Target {
  /** For people. */
  readonly name: string;
  readonly server: ServerAddress;
}

/** One for a name; for labels those that have them all, by name. NOT_FOUND when there is none. */
export async function findTargets(
  io: Pick<Io, 'env'>,
  profile: Profile,
  { host, labels, port, text }: Destination,
): Promise<readonly Target[]> {
  if (labels === undefined) return [{ name: text, server: { target: host ?? text, port } }];
  // Loaded now, because most commands name their server.
  const { findByLabels } = await import('./find-by-labels.ts');
  const found = await findByLabels(io, profile, { labels, port });
  if (found.length > 0) return found;
  throw new GatehouseError('NOT_FOUND', `no server that you may use has the labels ${text}`, {
    details: { remedy: 'See `gate ls` for servers and their labels.' },
  });
}

/** The only one. AMBIGUOUS is told with the candidates. */
export function requireOne(targets: readonly Target[], text: string): Target {
  const [first] = targets;
  if (first !== undefined && targets.length === 1) return first;
  const names = targets.slice(0, 20).map(({ name }) => name);
  throw new GatehouseError(
    'CONDITION_FAILED',
    `${targets.length} servers have the labels ${text}: ${names.join(', ')}${targets.length > names.length ? ', …' : ''}`,
    { details: { remedy: 'Name one of them, or give a command to run on all of them.' } },
  );
}
