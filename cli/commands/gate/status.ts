// `gate status`: who is signed in, and until when. Exit code 1 when nobody is.
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { findProfile, type LoginIo } from '../../profile/choose.ts';
import { listProfiles, type Profile } from '../../profile/profile.ts';
import { listTargetLogins } from '../../profile/target-files.ts';
import type { Gate } from './context.ts';
import { statusLines, summary } from './show-profile.ts';

export const status = command({
  flags: {},
  examples: ['gate status', "gate status -f json | jq -r '.active.username'"],
  async run({ io, out, wanted }: Gate) {
    const now = io.clock.now();
    const current = await findProfile(io, wanted);
    const all = await listProfiles(io);
    const isActive = current !== undefined && Date.parse(current.expires) > now;
    const others = all.filter(({ cluster }) => cluster !== current?.cluster);
    const targets = isActive ? await targetsOf(io, current) : { databases: [], applications: [] };
    const value = {
      active: isActive ? { ...summary(current), ...targets } : null,
      profiles: all.map(summary),
    };
    await out.show(value, () => {
      if (current === undefined) out.line('Not signed in. Run `gate login`.');
      else for (const line of [...statusLines(current, now), ...targetLines(targets)]) out.line(line);
      for (const other of others) {
        out.line();
        for (const line of statusLines(other, now)) out.line(line);
      }
    });
    return isActive ? 0 : 1;
  },
});

interface Targets {
  readonly databases: readonly string[];
  readonly applications: readonly string[];
}

/** What there is a good certificate for. */
async function targetsOf(io: LoginIo, profile: Profile): Promise<Targets> {
  const [databases, applications] = await Promise.all([
    listTargetLogins(io, profile, 'db'),
    listTargetLogins(io, profile, 'app'),
  ]);
  return { databases: databases.map(({ name }) => name), applications: applications.map(({ name }) => name) };
}

const targetLines = ({ databases, applications }: Targets): string[] =>
  [['Databases', databases] as const, ['Apps', applications] as const].flatMap(([title, names]) =>
    names.length === 0 ? [] : [`${title.padEnd(11)} ${oneLine(names.join(', '))}`],
  );
