// `gate logout`: removes what `gate login` left, and ends the person's sessions in browsers. Certificates that were copied
// elsewhere end at their time; a lock ends them at once.
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { findProfile } from '../../profile/choose.ts';
import { openProfileApi } from '../../profile/api.ts';
import { listProfiles, profileRoot, readProfile, removeProfile } from '../../profile/profile.ts';
import { readdir } from 'node:fs/promises';
import { endOwnWebSessions } from '#core/api/web-sessions.ts';
import { clusterNameFormat } from '#core/cluster-settings.ts';
import type { Gate } from './context.ts';
import { takeFromAgent } from './keep-in-agent.ts';

export const logout = command({
  about: 'Ends your sessions in browsers as well.\nWithout --cluster or --proxy: from all clusters.',
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
      await endInBrowsers(gate, name);
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

/** Whoever cannot be reached keeps nobody from leaving: the person is told. */
async function endInBrowsers({ io, out }: Gate, cluster: string): Promise<void> {
  const profile = await readProfile(io, cluster).catch(() => undefined);
  if (profile === undefined || Date.parse(profile.expires) <= io.clock.now()) return;
  const api = openProfileApi(io, profile);
  try {
    await api.call(endOwnWebSessions, {});
  } catch (error) {
    const why = error instanceof Error ? error.message : 'failed';
    out.note(oneLine(`Sessions in browsers at ${cluster} go on, as it did not take the logout: ${why}`));
  } finally {
    api.close();
  }
}
