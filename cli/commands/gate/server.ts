// Which server to talk to before there is an identity, and why to believe it: a pin, the authorities of an earlier
// login, or a person who compares the pin. A password is never sent on trust alone.
import { addressText } from '../../connect.ts';
import * as flag from '../../arguments.ts';
import { usage } from '../../arguments.ts';
import { openApi, type Api } from '#client/api.ts';
import { learnAuthorities } from '#client/trust.ts';
import { caPin, parsePin } from '#core/certs/x509/pin.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { oneLine } from '../../format/text.ts';
import { askText, canAsk } from '../../prompt.ts';
import { listProfiles } from '../../profile/profile.ts';
import type { Gate } from './context.ts';

export const serverFlags = {
  'auth-server': flag.text({
    says: 'Address of the auth service; needed the first time.',
    value: 'HOST:PORT',
  }),
  'ca-pin': flag.list({ says: 'The pin that `gatectl status` prints.', value: 'sha256:…' }),
};

export interface Server {
  readonly api: Api;
  readonly address: string;
  /** PEM. */
  readonly authorities: readonly string[];
}

/** An API connection without identity; the caller closes it. CA_PIN_MISMATCH when it is another cluster. */
export async function openServer(
  gate: Gate,
  flags: { readonly 'auth-server': string | undefined; readonly 'ca-pin': readonly string[] | undefined },
): Promise<Server> {
  const profiles = await listProfiles(gate.io);
  const given = flags['auth-server'];
  const address = given === undefined ? onlyAddress(profiles) : addressText(given);
  if (address === undefined)
    throw usage('--auth-server is missing: the address of the auth service, HOST:PORT');
  const known = profiles.find((profile) => profile.auth_servers.includes(address));
  const pins = (flags['ca-pin'] ?? []).map(parsePin);
  const authorities =
    pins.length > 0 || known === undefined ? await learn(gate, address, pins) : known.tls_authorities;
  return { api: openApi({ addresses: [address], authorities }), address, authorities };
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

/** After a first login there is no need to say where. */
function onlyAddress(profiles: readonly { readonly auth_servers: readonly string[] }[]): string | undefined {
  return profiles.length === 1 ? profiles[0]?.auth_servers[0] : undefined;
}

async function learn(gate: Gate, address: string, pins: readonly string[]): Promise<readonly string[]> {
  const authorities = await learnAuthorities(address, pins);
  if (pins.length > 0) return authorities;
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
