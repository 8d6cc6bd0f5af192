// `gate status`: who is signed in, and until when. Exit code 1 when nobody is.
import { command } from '../../arguments.ts';
import { findProfile } from '../../profile/choose.ts';
import { listProfiles } from '../../profile/profile.ts';
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
    const value = { active: isActive ? summary(current) : null, profiles: all.map(summary) };
    await out.show(value, () => {
      if (current === undefined) out.line('Not signed in. Run `gate login`.');
      else for (const line of statusLines(current, now)) out.line(line);
      for (const other of others) {
        out.line();
        for (const line of statusLines(other, now)) out.line(line);
      }
    });
    return isActive ? 0 : 1;
  },
});
