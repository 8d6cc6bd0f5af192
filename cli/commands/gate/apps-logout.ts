// `gate apps logout`: removes the certificates for applications from this machine, and what belongs to them.
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { requireLogin } from '../../profile/choose.ts';
import { listTargetLogins, removeTarget } from '../../profile/target-files.ts';
import type { Gate } from './context.ts';

export const appsLogout = command({
  about: 'Without APP: of all applications.',
  flags: {},
  positionals: [{ name: 'APP', says: 'the application', isOptional: true }],
  examples: ['gate apps logout', 'gate apps logout awsconsole'],
  async run({ io, out, wanted }: Gate, { words: [name] }) {
    const profile = await requireLogin(io, wanted);
    const names =
      name === undefined ? (await listTargetLogins(io, profile, 'app')).map((login) => login.name) : [name];
    const removed: string[] = [];
    for (const one of names) if (await removeTarget(io, profile, 'app', one)) removed.push(one);
    await out.show({ removed }, () => {
      if (removed.length === 0)
        out.line(name === undefined ? 'Not logged into any app.' : `Not logged into ${oneLine(name)}.`);
      for (const one of removed) out.line(`Logged out of app "${oneLine(one)}".`);
    });
  },
});
