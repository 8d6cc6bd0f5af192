// `gate logout`: removes what `gate login` left. The certificates themselves end at their time; a lock ends them at once.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { listProfiles, profileRoot, removeProfile } from '../../profile/profile.ts';
import { readdir } from 'node:fs/promises';
import { clusterNameFormat } from '#core/cluster-settings.ts';
import type { Gate } from './context.ts';

export const logout = command({
  flags: { cluster: flag.text({ says: 'Only from this cluster.', value: 'NAME' }) },
  examples: ['gate logout', 'gate logout --cluster=staging.example.com'],
  async run({ io, out }: Gate, { flags }) {
    // Damaged ones have to go as well, so it is the folders that count.
    const names = (await readdir(profileRoot(io)).catch(() => [])).filter((name) =>
      clusterNameFormat.accepts(name),
    );
    const gone = flags.cluster === undefined ? names : names.filter((name) => name === flags.cluster);
    for (const name of gone) await removeProfile(io, name);
    const left = (await listProfiles(io)).map(({ cluster }) => cluster);
    await out.show({ removed: gone, left }, () => {
      if (gone.length === 0) out.line('Not signed in.');
      for (const name of gone) out.line(oneLine(`Signed out of ${name}.`));
    });
  },
});
