// How PostgreSQL clients are told to reach a database by the proxy: variables for libpq, a section of a service file, a
// URI, a command line. Pure.
import { shellWord } from '../format/text.ts';
import { splitAddress } from '#client/outbound/tcp-dial.ts';
import type { TargetPaths } from '../profile/target-files.ts';

export interface PostgresSettings {
  readonly host: string;
  readonly port: number;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  /** Left out where no TLS runs: through a local tunnel. */
  readonly tls?: Pick<TargetPaths, 'key' | 'certificate' | 'authorities'> | undefined;
  /** Where `host` is reached, when that is not where it is found by name. */
  readonly hostAddress?: string | undefined;
}

export interface DirectRoute {
  /** `host:port` of the web port. */
  readonly web: string;
  readonly paths: TargetPaths;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
}

/** Straight to the web port of the proxy, with the certificate. */
export function directSettings({ web, paths, user, database }: DirectRoute): PostgresSettings {
  return { ...splitAddress(web), user, database, tls: paths };
}

/** Names as libpq has them, in the order in which people read them; each has a value. */
export function libpqWords(settings: PostgresSettings): readonly (readonly [string, string])[] {
  const { host, hostAddress, port, user, database, tls } = settings;
  const words: readonly (readonly [string, string | undefined])[] = [
    ['host', host],
    ['hostaddr', hostAddress],
    ['port', String(port)],
    ['user', user],
    ['dbname', database],
    ['sslmode', tls === undefined ? 'disable' : 'verify-full'],
    ['sslrootcert', tls?.authorities],
    ['sslcert', tls?.certificate],
    ['sslkey', tls?.key],
    ['gssencmode', 'disable'],
  ];
  return words.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

const VARIABLES: Readonly<Record<string, string>> = {
  host: 'PGHOST',
  hostaddr: 'PGHOSTADDR',
  port: 'PGPORT',
  user: 'PGUSER',
  dbname: 'PGDATABASE',
  sslmode: 'PGSSLMODE',
  sslrootcert: 'PGSSLROOTCERT',
  sslcert: 'PGSSLCERT',
  sslkey: 'PGSSLKEY',
  gssencmode: 'PGGSSENCMODE',
};

/** Variables that would lead libpq elsewhere, or weaken what it checks. */
export const CONFLICTING_VARIABLES: readonly string[] = [
  'PGHOSTADDR',
  'PGSERVICE',
  'PGREQUIRESSL',
  'PGSSLNEGOTIATION',
  'PGSSLCRL',
  'PGSSLCRLDIR',
  'PGREQUIREAUTH',
  'PGTARGETSESSIONATTRS',
];

export const libpqVariables = (settings: PostgresSettings): Readonly<Record<string, string>> =>
  Object.fromEntries(libpqWords(settings).map(([name, value]) => [VARIABLES[name] ?? name, value]));

/** All variables that `libpqVariables` may set. */
export const LIBPQ_VARIABLES: readonly string[] = Object.values(VARIABLES);

/** A section for the file that PGSERVICEFILE names. */
export const serviceSection = (name: string, settings: PostgresSettings): string =>
  `[${name}]\n${libpqWords(settings)
    .map(([word, value]) => `${word}=${value}\n`)
    .join('')}`;

/** `psql "host=… …"`, as one types it. */
export function psqlCommand(settings: PostgresSettings): string {
  const words = libpqWords(settings).map(([name, value]) => `${name}=${quotedValue(value)}`);
  return `psql ${shellWord(words.join(' '))}`;
}

/** `postgres://user@host:port/database?…` */
export function postgresUri(settings: PostgresSettings): string {
  const { host, port, user, database } = settings;
  const query = new URLSearchParams();
  for (const [name, value] of libpqWords(settings)) {
    if (!['host', 'port', 'user', 'dbname'].includes(name)) query.set(name, value);
  }
  const who = user === undefined ? '' : `${encodeURIComponent(user)}@`;
  const where = host.includes(':') ? `[${host}]` : host;
  const what = database === undefined ? '' : encodeURIComponent(database);
  return `postgres://${who}${where}:${port}/${what}?${query.toString().replaceAll('+', '%20')}`;
}

/** In a connection string, quotes hold what is no plain word. */
const quotedValue = (value: string): string =>
  /^[A-Za-z0-9._/:@%+~-]+$/.test(value) ? value : `'${value.replace(/[\\']/g, '\\$&')}'`;
