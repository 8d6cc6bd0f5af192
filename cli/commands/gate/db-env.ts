// `gate db env`: variables that make psql and whatever uses libpq mean a database of the cluster.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { shellWord } from '../../format/text.ts';
import { requireProxyLogin } from '../../profile/choose.ts';
import { requireDatabaseLogin } from '../../target/database-login.ts';
import { directSettings, LIBPQ_VARIABLES, libpqVariables } from '../../target/postgres-settings.ts';
import { requireDirect } from '../../target/road.ts';
import type { Gate } from './context.ts';

export const dbEnv = command({
  flags: { unset: flag.toggle({ says: 'Print what takes them away again.' }) },
  positionals: [{ name: 'NAME', says: 'the database', isOptional: true }],
  examples: [
    'eval "$(gate db env orders)" && psql',
    'eval "$(gate db env --unset)"',
    'gate db env orders -f json',
  ],
  async run(gate: Gate, { flags, words: [name] }) {
    const { io, out, wanted } = gate;
    if (flags.unset) {
      for (const variable of LIBPQ_VARIABLES) out.line(`unset ${variable}`);
      return;
    }
    const profile = await requireProxyLogin(io, wanted);
    const login = await requireDatabaseLogin(gate, profile, name);
    requireDirect(profile, login.name);
    const { username: user, database } = login.identity.route_to_database ?? {};
    const values = libpqVariables(
      directSettings({ web: profile.proxy.web, paths: login.paths, user, database }),
    );
    await out.show(values, () => {
      for (const [variable, value] of Object.entries(values))
        out.line(`export ${variable}=${shellWord(value)}`);
    });
  },
});
