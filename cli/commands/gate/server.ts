// Which server to talk to before there is an identity, and why to believe it: a pin, the authorities of an earlier
// login, or a person who compares the pin. A password is never sent on trust alone.
import { addressText, proxyAddressText } from '../../connect.ts';
import * as flag from '../../arguments.ts';
import { usage } from '../../arguments.ts';
import { openApi, type Api } from '#client/api.ts';
import { authDialer } from '#client/outbound/auth-dial.ts';
import { findProxy, type FoundProxy } from '#client/outbound/web-port.ts';
import { learnAuthorities } from '#client/trust.ts';
import { caPin, parsePin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { oneLine } from '../../format/text.ts';
import { askText, canAsk } from '../../prompt.ts';
import { findProfile, type Wanted } from '../../profile/choose.ts';
import { listProfiles, type Profile, type ProfileProxy } from '../../profile/profile.ts';
import type { Gate } from './context.ts';

export const serverFlags = {
  'auth-server': flag.text({
    says: 'Address of the auth service, in place of a proxy.',
    value: 'HOST:PORT',
  }),
  'ca-pin': flag.list({ says: 'The pin that `gatectl status` prints.', value: 'sha256:…' }),
  insecure: flag.toggle({
    says: 'Believe an unknown server without a pin. Whoever is in between reads your password; for trying out only.',
  }),
};

export interface Server {
  readonly api: Api;
  readonly address: string;
  /** PEM. */
  readonly authorities: readonly string[];
  /** Left out when the auth service itself was named. */
  readonly proxy?: ProfileProxy;
}

interface ServerFlags {
  readonly 'auth-server': string | undefined;
  readonly 'ca-pin': readonly string[] | undefined;
  readonly insecure: boolean;
}

/** An API connection without identity; the caller closes it. CA_PIN_MISMATCH when it is another cluster. */
export async function openServer(gate: Gate, flags: ServerFlags): Promise<Server> {
  const known = await knownProfile(gate, flags);
  const given = flags['auth-server'];
  if (given === undefined) {
    const web = gate.wanted.proxy ?? known?.proxy?.web;
    if (web !== undefined) return openProxy(gate, proxyAddressText(web), flags, known);
  }
  const address = given === undefined ? known?.auth_servers[0] : addressText(given);
  if (address === undefined)
    throw usage(
      '--proxy is missing: the address of a proxy, HOST:PORT (or --auth-server of the auth service)',
    );
  const pins = (flags['ca-pin'] ?? []).map(parsePin);
  const authorities =
    pins.length > 0 || known === undefined ? await learn(gate, address, pins, flags) : known.tls_authorities;
  const dial = authDialer({ environment: gate.io.env });
  return { api: openApi({ addresses: [address], authorities, dial }), address, authorities };
}

/** The auth API answers at the web port of a proxy as well; TLS goes through to the auth service. */
async function openProxy(
  gate: Gate,
  web: string,
  flags: ServerFlags,
  known: Profile | undefined,
): Promise<Server> {
  const environment = gate.io.env;
  const found = await findProxy(web, { environment });
  if (found === undefined) {
    throw new GatehouseError('UNAVAILABLE', `${web} does not answer as a Gatehouse proxy`, {
      details: { remedy: 'Name the web port of a proxy; for the auth service itself use --auth-server.' },
    });
  }
  const pins = (flags['ca-pin'] ?? []).map(parsePin);
  const authorities = await proxyAuthorities(gate, { web, found, pins, known, flags });
  const proxy = { web, ssh: found.sshAddress ?? web, ends_tls: found.endsTls };
  const dial = authDialer({ environment });
  return { api: openApi({ addresses: [web], authorities, dial }), address: web, authorities, proxy };
}

async function proxyAuthorities(
  gate: Gate,
  about: {
    readonly web: string;
    readonly found: FoundProxy;
    readonly pins: readonly string[];
    readonly known: Profile | undefined;
    readonly flags: ServerFlags;
  },
): Promise<readonly string[]> {
  const { web, found, pins, known, flags } = about;
  if (pins.length > 0) return learnAuthorities(web, pins, authDialer({ environment: gate.io.env }));
  if (known !== undefined) return known.tls_authorities;
  if (found.isTrusted && found.hostAuthorities.length > 0) return found.hostAuthorities;
  return learn(gate, web, pins, flags);
}

/** The login that the flags mean, good or not: its cluster is known. */
async function knownProfile({ io, wanted }: Gate, flags: ServerFlags): Promise<Profile | undefined> {
  const given = flags['auth-server'];
  if (given !== undefined) {
    const address = addressText(given);
    return (await listProfiles(io)).find((profile) => profile.auth_servers.includes(address));
  }
  const { user: _anyUser, ...where } = wanted;
  const proxy = where.proxy === undefined ? {} : { proxy: proxyAddressText(where.proxy) };
  const meant: Wanted = { ...where, ...proxy };
  const found = await findProfile(io, meant).catch(() => undefined);
  if (found !== undefined || where.cluster !== undefined || where.proxy !== undefined) return found;
  // After a first login there is no need to say where.
  const all = await listProfiles(io);
  return all.length === 1 ? all[0] : undefined;
}

/**
 * A cluster is known by its authorities, not by the name that it gives itself: CA_PIN_MISMATCH when there is a login to
 * another one of this name, which would be replaced.
 */
export async function requireSameCluster(
  { io }: Gate,
  cluster: string,
  authorities: readonly string[],
): Promise<void> {
  const known = (await listProfiles(io)).find((profile) => profile.cluster === cluster);
  const ours = new Set(known?.tls_authorities.map((pem) => caPin(derFromPem(pem))));
  if (known === undefined || authorities.some((pem) => ours.has(caPin(derFromPem(pem))))) return;
  throw new GatehouseError(
    'CA_PIN_MISMATCH',
    `this is another cluster of the name ${cluster}: it does not hold the authority of your login to ${known.auth_servers.join(', ')}`,
    { details: { remedy: `If it was made anew, remove that login first: gate logout --cluster=${cluster}` } },
  );
}

async function learn(
  gate: Gate,
  address: string,
  pins: readonly string[],
  { insecure }: ServerFlags,
): Promise<readonly string[]> {
  const authorities = await learnAuthorities(address, pins, authDialer({ environment: gate.io.env }));
  if (pins.length > 0) return authorities;
  if (insecure) {
    gate.out.note(`WARNING: ${address} is believed without a pin (--insecure)`);
    return authorities;
  }
  const seen = authorities.map((pem) => caPin(derFromPem(pem)));
  if (!canAsk(gate.io)) {
    throw new GatehouseError(
      'USAGE',
      `${address} is not known yet, and nobody is there to compare its CA pin`,
      {
        details: { remedy: 'Pass --ca-pin, as `gatectl status` prints it on the auth host.' },
      },
    );
  }
  gate.out.note(`${address} is not known yet. It shows the CA pin`);
  for (const pin of seen) gate.out.note(`  ${oneLine(pin)}`);
  const answer = await askText(gate.io, 'Is that the pin you were given? (yes/no) ', 'pass --ca-pin');
  if (/^y(es)?$/i.test(answer)) return authorities;
  throw new GatehouseError('CA_PIN_MISMATCH', `${address} is not trusted; nothing was sent to it`);
}
