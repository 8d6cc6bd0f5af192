// `gate db config`: how to reach a database, for clients that are set up by hand, such as graphical ones.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { Output } from '../../output.ts';
import { requireProxyLogin } from '../../profile/choose.ts';
import { requireDatabaseLogin } from '../../target/database-login.ts';
import { directSettings, postgresUri, psqlCommand, serviceSection } from '../../target/postgres-settings.ts';
import { requireDirect } from '../../target/road.ts';
import type { Gate } from './context.ts';

const FORMATS = ['text', 'cmd', 'service', 'uri', 'json', 'yaml'] as const;

export const dbConfig = command({
  about: 'service: a section for the file that PGSERVICEFILE names. cmd: a command line of psql.',
  flags: { format: flag.oneOf(FORMATS, { says: 'How to print.', short: 'f' }) },
  positionals: [{ name: 'NAME', says: 'the database', isOptional: true }],
  examples: [
    'gate db config orders',
    'gate db config --format=cmd orders',
    'gate db config --format=service orders >> ~/.pg_service.conf && psql service=orders',
  ],
  async run(gate: Gate, { flags: { format = 'text' }, words: [name] }) {
    const { io, wanted } = gate;
    const profile = await requireProxyLogin(io, wanted);
    const { name: database, paths, identity } = await requireDatabaseLogin(gate, profile, name);
    requireDirect(profile, database);
    const route = identity.route_to_database;
    const settings = directSettings({
      web: profile.proxy.web,
      paths,
      user: route?.username,
      database: route?.database,
    });
    const out = new Output(io, format === 'json' || format === 'yaml' ? format : undefined);
    const about = {
      name: database,
      host: settings.host,
      port: settings.port,
      user: settings.user,
      database: settings.database,
      ca: paths.authorities,
      cert: paths.certificate,
      key: paths.key,
    };
    await out.show(about, () => {
      if (format === 'cmd') out.line(psqlCommand(settings));
      else if (format === 'uri') out.line(postgresUri(settings));
      else if (format === 'service') out.formatted(serviceSection(database, settings));
      else {
        for (const [title, value] of Object.entries(about)) {
          if (value !== undefined) out.line(`${`${titleOf(title)}:`.padEnd(10)} ${oneLine(String(value))}`);
        }
      }
    });
  },
});

const titleOf = (key: string): string =>
  key === 'ca' ? 'CA' : `${key.charAt(0).toUpperCase()}${key.slice(1)}`;
