// `gate db login`: a certificate for one database, kept in ~/.gate for clients of that database.
import { command } from '../../arguments.ts';
import { oneLine, relativeTime, shellWord } from '../../format/text.ts';
import { accountFlags, loginToDatabase, ttlFlag } from '../../target/database-login.ts';
import { filterFlags } from '../../target/filter.ts';
import type { Gate } from './context.ts';

export const dbLogin = command({
  about: 'The certificate is good for this database alone, and no longer than your login.',
  flags: { ...accountFlags, ...ttlFlag, ...filterFlags },
  positionals: [{ name: 'NAME', says: 'the database, as in `gate db ls`', isOptional: true }],
  examples: [
    'gate db login orders',
    'gate db login --db-user=alice --db-name=postgres orders',
    'gate db login --labels=env=staging,team=dba',
  ],
  async run(gate: Gate, { flags, words: [name] }) {
    const { io, out } = gate;
    const { login } = await loginToDatabase(gate, {
      name,
      filter: flags,
      user: flags['db-user'],
      database: flags['db-name'],
      ttlMs: flags.ttl,
      needsAccount: false,
      isNew: true,
    });
    const route = login.identity.route_to_database;
    const about = {
      database: login.name,
      protocol: route?.protocol,
      ...(route?.username === undefined ? {} : { db_user: route.username }),
      ...(route?.database === undefined ? {} : { db_name: route.database }),
      expires: new Date(login.expires).toISOString(),
      certificate: login.paths.certificate,
      key: login.paths.key,
      authorities: login.paths.authorities,
    };
    await out.show(about, () => {
      const word = shellWord(login.name);
      out.line(`Connection information for database "${oneLine(login.name)}" has been saved.`);
      out.line(`The certificate expires ${relativeTime(login.expires, io.clock.now())}.`);
      out.line();
      out.line('You can now connect to it using the following command:');
      out.line();
      out.line(`  gate db connect ${word}`);
      out.line();
      out.line('Or set variables for psql and other programs:');
      out.line();
      out.line(`  eval "$(gate db env ${word})"`);
      out.line();
      out.line('Graphical clients: gate db config, or gate proxy db --tunnel');
    });
  },
});
