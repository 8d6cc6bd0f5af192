// `gate proxy db`: a port on this machine that leads to a database. With --tunnel, connections need no certificate and no
// password; without, clients show the certificate themselves, and this only brings them to the proxy.
import { dialTcp } from '#client/outbound/tcp-dial.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine, shellWord } from '../../format/text.ts';
import { wishOf } from '../../target/certificate.ts';
import { accountFlags, loginToDatabase, ttlFlag, type DatabaseLogin } from '../../target/database-login.ts';
import { openDatabaseTunnel } from '../../target/database-tunnel.ts';
import { filterFlags } from '../../target/filter.ts';
import { listenLocally, type LocalListener } from '../../target/local-listener.ts';
import { refusePostgres } from '../../target/local-postgres.ts';
import {
  directSettings,
  postgresUri,
  psqlCommand,
  type PostgresSettings,
} from '../../target/postgres-settings.ts';
import { requireDirect } from '../../target/road.ts';
import { untilStopped } from '../../target/until-stopped.ts';
import type { Gate } from './context.ts';

const LOOPBACK = '127.0.0.1';

export const proxyDb = command({
  about:
    'Runs until it is interrupted. Certificates are renewed as long as you are signed in; after that, sign in anew in another\nterminal, and connections succeed again. With --tunnel, every user of this machine can connect as you.',
  flags: {
    tunnel: flag.toggle({ says: 'Clients need no certificate: connections are made with yours.' }),
    port: flag.integer(0, {
      says: 'The port on 127.0.0.1; 0: any that is free.',
      short: 'p',
      min: 0,
      max: 65_535,
    }),
    ...accountFlags,
    ...ttlFlag,
    ...filterFlags,
  },
  positionals: [{ name: 'NAME', says: 'the database, as in `gate db ls`', isOptional: true }],
  examples: [
    'gate proxy db --tunnel --port=5433 --db-user=alice --db-name=postgres orders',
    'gate proxy db orders',
  ],
  async run(gate: Gate, { flags, words: [name] }) {
    const found = await loginToDatabase(gate, {
      name,
      filter: flags,
      user: flags['db-user'],
      database: flags['db-name'],
      ttlMs: flags.ttl,
      needsAccount: flags.tunnel,
      isNew: false,
    });
    if (!flags.tunnel) requireDirect(found.profile, found.login.name);
    const listener = flags.tunnel
      ? await openDatabaseTunnel(gate, wishOf('db', found.login), { port: flags.port })
      : await openRelay(gate, found, flags.port);
    try {
      const isFixed = flags.port !== 0;
      await show(
        gate,
        listener,
        flags.tunnel ? tunnelled(found, listener) : relayed(found, listener),
        isFixed,
      );
      await untilStopped();
    } finally {
      listener.close();
    }
  },
});

/** Bytes as they are: TLS is between the client and the proxy. */
function openRelay({ io, out }: Gate, { profile }: DatabaseLogin, port: number): Promise<LocalListener> {
  return listenLocally({
    at: { port },
    open: () => dialTcp(profile.proxy.web, { environment: io.env }),
    refuse: refusePostgres,
    failed: (error) => out.note(`a connection failed: ${oneLine((error as Error).message)}`),
  });
}

function tunnelled({ login }: DatabaseLogin, { port }: LocalListener): PostgresSettings {
  const { username: user, database } = login.identity.route_to_database ?? {};
  return { host: LOOPBACK, port, user, database };
}

function relayed(
  { profile, login: { paths, identity } }: DatabaseLogin,
  { port }: LocalListener,
): PostgresSettings {
  const { username: user, database } = identity.route_to_database ?? {};
  return {
    ...directSettings({ web: profile.proxy.web, paths, user, database }),
    hostAddress: LOOPBACK,
    port,
  };
}

async function show(
  { out }: Gate,
  { text }: LocalListener,
  settings: PostgresSettings,
  isFixed: boolean,
): Promise<void> {
  const { tls } = settings;
  const files = tls === undefined ? {} : { ca: tls.authorities, cert: tls.certificate, key: tls.key };
  const about = { address: text, user: settings.user, database: settings.database, ...files };
  await out.show(about, () => {
    out.line(`Started DB proxy on ${text}`);
    if (!isFixed) out.line('To keep the port the next time, choose one with --port.');
    out.line();
    if (tls === undefined) {
      out.line('Connect without a password, by this address or by:');
      out.line(`  psql ${shellWord(postgresUri(settings))}`);
      return;
    }
    out.line('Use the following credentials to connect to the database:');
    out.line(`  ca_file=${tls.authorities}`);
    out.line(`  cert_file=${tls.certificate}`);
    out.line(`  key_file=${tls.key}`);
    out.line(`Or: ${psqlCommand(settings)}`);
  });
}
