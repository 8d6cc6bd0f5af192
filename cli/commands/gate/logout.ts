// `gate logout`: removes what `gate login` left. The certificates themselves end at their time; a lock ends them at once.
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { findProfile } from '../../profile/choose.ts';
import { listProfiles, profileRoot, removeProfile } from '../../profile/profile.ts';
import { readdir } from 'node:fs/promises';
import { clusterNameFormat } from '#core/cluster-settings.ts';
import type { Gate } from './context.ts';
import { takeFromAgent } from './keep-in-agent.ts';

export const logout = command({
  about: 'Without --cluster or --proxy: from all clusters.',
  flags: {},
  examples: ['gate logout', 'gate logout --cluster=staging.example.com'],
  async run(gate: Gate) {
    const { io, out, wanted } = gate;
    // Damaged ones have to go as well, so it is the folders that count.
    const names = (await readdir(profileRoot(io)).catch(() => [])).filter((name) =>
      clusterNameFormat.accepts(name),
    );
    const isAll = wanted.cluster === undefined && wanted.proxy === undefined;
    const { user: _anyUser, ...where } = wanted;
    const meant = wanted.cluster ?? (isAll ? undefined : (await findProfile(io, where))?.cluster);
    const gone = isAll ? names : names.filter((name) => name === meant);
    for (const name of gone) {
      await takeFromAgent(gate, name);
      await removeProfile(io, name);
    }
    const left = (await listProfiles(io)).map(({ cluster }) => cluster);
    await out.show({ removed: gone, left }, () => {
      if (gone.length === 0) out.line('Not signed in.');
      for (const name of gone) out.line(oneLine(`Signed out of ${name}.`));
    });
  },
});
