// `gate db connect`: psql on a database of the cluster. It goes to the proxy by itself where it can; where only this program
// finds the way, through a socket in a folder that nobody else can enter.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { httpProxyFor } from '#client/outbound/http-proxy.ts';
import { splitAddress } from '#client/outbound/tcp-dial.ts';
import { command } from '../../arguments.ts';
import { wishOf } from '../../target/certificate.ts';
import { accountFlags, loginToDatabase, ttlFlag, type DatabaseLogin } from '../../target/database-login.ts';
import { openDatabaseTunnel } from '../../target/database-tunnel.ts';
import { filterFlags } from '../../target/filter.ts';
import {
  CONFLICTING_VARIABLES,
  directSettings,
  libpqVariables,
  type PostgresSettings,
} from '../../target/postgres-settings.ts';
import { runProgramInFront } from '../../target/run-program.ts';
import type { Gate } from './context.ts';

const PORT = 5432;

export const dbConnect = command({
  about: 'What follows NAME is for psql. The exit code is that of psql.',
  flags: { ...accountFlags, ...ttlFlag, ...filterFlags },
  positionals: [
    { name: 'NAME', says: 'the database, as in `gate db ls`', isOptional: true },
    { name: 'PSQL-ARGUMENT', says: 'for psql, after --', isOptional: true, isMany: true },
  ],
  examples: [
    'gate db connect --db-user=alice --db-name=postgres orders',
    'gate db connect --db-user=alice orders -- -c "select now()"',
    'gate db connect --labels=env=staging --db-user=reader',
  ],
  async run(gate: Gate, { flags, words: [name, ...args] }) {
    const { io } = gate;
    const found = await loginToDatabase(gate, {
      name,
      filter: flags,
      user: flags['db-user'],
      database: flags['db-name'],
      ttlMs: flags.ttl,
      needsAccount: true,
      isNew: false,
    });
    if (findsTheWay(found, io.env)) return runPsql(gate, direct(found), args);
    return throughSocket(gate, found, args);
  },
});

/** psql knows nothing of HTTP proxies, and nothing of what ends TLS in front of ours. */
function findsTheWay({ profile }: DatabaseLogin, env: Gate['io']['env']): boolean {
  const { host, port } = splitAddress(profile.proxy.web);
  return profile.proxy.ends_tls && httpProxyFor(host, port, env) === undefined;
}

function direct({ profile, login: { paths, identity } }: DatabaseLogin): PostgresSettings {
  const { username: user, database } = identity.route_to_database ?? {};
  return directSettings({ web: profile.proxy.web, paths, user, database });
}

async function throughSocket(gate: Gate, { login }: DatabaseLogin, args: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'gate-db-'));
  try {
    const at = { path: join(folder, `.s.PGSQL.${PORT}`) };
    const tunnel = await openDatabaseTunnel(gate, wishOf('db', login), at);
    try {
      const { username: user, database } = login.identity.route_to_database ?? {};
      return await runPsql(gate, { host: folder, port: PORT, user, database }, args);
    } finally {
      tunnel.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function runPsql({ io }: Gate, settings: PostgresSettings, args: readonly string[]): Promise<number> {
  const env: Record<string, string | undefined> = { ...io.env };
  for (const variable of CONFLICTING_VARIABLES) delete env[variable];
  return runProgramInFront({
    program: 'psql',
    args,
    env: { ...env, ...libpqVariables(settings) },
    remedy: 'Install it: apt-get install postgresql-client, dnf install postgresql, or brew install libpq.',
  });
}
