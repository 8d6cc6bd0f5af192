// How gatectl finds the auth service, and as whom it calls. In order: an identity file that was named; the identity of
// the local admin in the data folder of this machine; the login that `gate login` left in the home folder.
import { join } from 'node:path';
import { formatAddress, parseAddress } from '#config/address.ts';
import type { Config } from '#config/config.ts';
import { PORTS } from '#config/ports.ts';
import { parsePin } from '#core/certs/x509/pin.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { check } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { openApi, type Api } from '#client/api.ts';
import type { ClientCertificate } from '#client/connection.ts';
import { authDialer } from '#client/outbound/auth-dial.ts';
import type { Io } from './io.ts';
import { readPrivateFile } from './private-files.ts';
import { activeProfile } from './profile/profile.ts';

export interface ConnectOptions {
  readonly config?: string | undefined;
  /** In place of the one in the config file. */
  readonly dataDir?: string | undefined;
  readonly identity?: string | undefined;
  readonly authServer?: string | undefined;
  readonly caPins?: readonly string[] | undefined;
}

export interface Connection {
  readonly api: Api;
  /** `host:port`, in the order in which they are tried. */
  readonly addresses: readonly string[];
  /** Who calls, in words, for messages. */
  readonly as: string;
  /** The configuration of this machine, when the local admin calls. */
  readonly config?: Config | undefined;
}

/** As auth/admin-identity.ts writes it. */
const ADMIN_FILE = 'admin-identity.json';

const adminCredentials = s.object({
  version: s.integer({ min: 1, max: 1 }),
  cluster_name: s.string(),
  auth_servers: s.list(s.string(), { max: 64 }),
  tls_private_key: s.string({ secret: true }),
  tls_certificate: s.string(),
  tls_authorities: s.list(s.string(), { max: 64 }),
  expires: s.timestamp(),
});

interface Credentials {
  readonly identity: ClientCertificate;
  readonly authorities: readonly string[];
  readonly addresses: readonly string[];
  readonly as: string;
  readonly config?: Config | undefined;
}

/** Opens nothing yet; the caller closes `api`. UNAUTHENTICATED says how to get an identity when there is none. */
export async function connect(io: Io, options: ConnectOptions): Promise<Connection> {
  const credentials = await findCredentials(io, options);
  const addresses =
    options.authServer === undefined
      ? credentials.addresses
      : options.authServer.split(',').map((text) => addressText(text));
  const [first] = addresses;
  if (first === undefined) {
    throw new GatehouseError('USAGE', 'no auth server is known; pass --auth-server=HOST:PORT');
  }
  const authorities = await pinned(first, credentials.authorities, options.caPins ?? []);
  const { identity, as, config } = credentials;
  const dial = authDialer({ environment: io.env });
  return { api: openApi({ addresses, authorities, identity, dial }), addresses, as, config };
}

/** The address in its canonical form, with the default port. USAGE when it is not one. */
export const addressText = (text: string): string => canonical('--auth-server', text, PORTS.auth);

/** The same for the web port of a proxy. */
export const proxyAddressText = (text: string): string => canonical('--proxy', text, PORTS.web);

function canonical(name: string, text: string, port: number): string {
  try {
    return formatAddress(parseAddress(text, port));
  } catch (error) {
    throw isCode(error, 'BAD_REQUEST') ? new GatehouseError('USAGE', `${name}: ${error.message}`) : error;
  }
}

/** Only authorities that match a pin, when there are pins. */
async function pinned(
  address: string,
  authorities: readonly string[],
  pins: readonly string[],
): Promise<readonly string[]> {
  if (pins.length === 0) return authorities;
  const { learnAuthorities } = await import('#client/trust.ts');
  return learnAuthorities(address, pins.map(parsePin));
}

async function findCredentials(io: Io, options: ConnectOptions): Promise<Credentials> {
  if (options.identity !== undefined) return fromIdentityFile(options.identity, io, options.authServer);
  const path = options.config ?? (io.env['GATEHOUSE_CONFIG_FILE'] || undefined);
  const local = await fromDataDir(io, path, options.dataDir).catch((error: unknown) => asError(error));
  if ('identity' in local) return local;
  // What was named is what was meant: no other login is taken in its place.
  if (path !== undefined || options.dataDir !== undefined) throw local;
  const profile = await fromProfile(io);
  if (profile !== undefined) return profile;
  throw local;
}

const asError = (error: unknown): GatehouseError => {
  if (isCode(error)) return error;
  throw error;
};

async function fromIdentityFile(path: string, io: Io, authServer: string | undefined): Promise<Credentials> {
  if (authServer === undefined) {
    throw new GatehouseError('USAGE', '--identity needs the address as well: --auth-server=HOST:PORT');
  }
  const text = await readPrivateFile(path, io.uid, { named: true });
  if (text === undefined) {
    throw new GatehouseError('BAD_REQUEST', `cannot read ${path}: there is no such file`, {
      details: { remedy: 'Make one with `gatectl auth sign --format=file`.' },
    });
  }
  const { parseIdentityFile } = await import('./identity-file.ts');
  const { privateKey, tlsCertificate, tlsAuthorities } = parseIdentityFile(text);
  return {
    identity: { certificate: tlsCertificate, privateKey: privateKey.reveal() },
    authorities: tlsAuthorities,
    addresses: [],
    as: `the identity in ${path}`,
  };
}

async function fromDataDir(
  io: Io,
  named: string | undefined,
  dataDir: string | undefined,
): Promise<Credentials> {
  const { loadConfig } = await import('#config/load.ts');
  const { config } = await loadConfig({
    hostname: io.hostname,
    ...(named === undefined ? {} : { path: named }),
    ...(io.configPaths === undefined ? {} : { paths: io.configPaths }),
    ...(dataDir === undefined ? {} : { flags: { dataDir } }),
  });
  const path = join(config.dataDir, ADMIN_FILE);
  // root calls for whichever user the auth service runs as.
  const text = await readPrivateFile(path, io.uid === 0 ? undefined : io.uid).catch((error: unknown) => {
    throw isCode(error, 'BAD_REQUEST') ? notYours(config.dataDir, error) : error;
  });
  if (text === undefined) throw notRunning(config);
  const result = check(adminCredentials, parse(text));
  if (!result.ok)
    throw new GatehouseError('CORRUPT', `${path} is damaged; restart the auth service to renew it`);
  const found = result.value;
  if (Date.parse(found.expires) <= io.clock.now()) {
    throw new GatehouseError('UNAVAILABLE', `the identity of the local admin in ${path} has expired`, {
      details: { remedy: 'The auth service renews it while it runs; start it with `gatehouse start`.' },
    });
  }
  return {
    identity: { certificate: found.tls_certificate, privateKey: found.tls_private_key },
    authorities: found.tls_authorities,
    addresses: found.auth_servers,
    as: 'the local admin',
    config,
  };
}

async function fromProfile(io: Io): Promise<Credentials | undefined> {
  const profile = await activeProfile(io);
  if (profile === undefined) return undefined;
  if (Date.parse(profile.expires) <= io.clock.now()) {
    throw new GatehouseError(
      'UNAUTHENTICATED',
      `the login of ${profile.user} to ${profile.cluster} has expired`,
      {
        details: { remedy: 'Log in again with `gate login`.' },
      },
    );
  }
  return {
    identity: { certificate: profile.tls_certificate, privateKey: profile.tls_private_key },
    authorities: profile.tls_authorities,
    addresses: profile.auth_servers,
    as: `the user ${profile.user}`,
  };
}

function notYours(dataDir: string, cause: unknown): GatehouseError {
  return new GatehouseError(
    'UNAUTHENTICATED',
    `you may not read ${dataDir}, where the auth service keeps its keys`,
    {
      cause,
      details: {
        remedy: 'Run it as the user of the auth service (sudo gatectl …), or log in with `gate login`.',
      },
    },
  );
}

function notRunning(config: Config): GatehouseError {
  return new GatehouseError('UNAUTHENTICATED', `no auth service has run with its data in ${config.dataDir}`, {
    details: {
      remedy:
        'Start it with `gatehouse start`, name its file with --config, log in with `gate login`, or pass --identity and --auth-server.',
    },
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
