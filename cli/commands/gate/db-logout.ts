// `gate db logout`: removes the certificates for databases from this machine.
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { requireLogin } from '../../profile/choose.ts';
import { listTargetLogins, removeTarget } from '../../profile/target-files.ts';
import type { Gate } from './context.ts';

export const dbLogout = command({
  about:
    'Without NAME: of all databases. Sessions that are open go on until the certificate ends; a lock ends them at once.',
  flags: {},
  positionals: [{ name: 'NAME', says: 'the database', isOptional: true }],
  examples: ['gate db logout', 'gate db logout orders'],
  async run({ io, out, wanted }: Gate, { words: [name] }) {
    const profile = await requireLogin(io, wanted);
    const names =
      name === undefined ? (await listTargetLogins(io, profile, 'db')).map((login) => login.name) : [name];
    const removed: string[] = [];
    for (const one of names) if (await removeTarget(io, profile, 'db', one)) removed.push(one);
    await out.show({ removed }, () => {
      if (removed.length === 0)
        out.line(
          name === undefined ? 'Not signed in to any database.' : `Not signed in to ${oneLine(name)}.`,
        );
      for (const one of removed) out.line(`Logged out of database "${oneLine(one)}".`);
    });
  },
});
