// Keys of issuers of other clusters: fetched by discovery, kept for hours, looked for again when a token names one that
// is not there, and used on while the issuer is away. What strangers send cannot make this fetch more than once a minute
// and issuer.
import type { Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseJwks, type JwtKey } from '#core/jwt/jwks.ts';
import type { Log } from '#core/log.ts';
import { isPlainObject } from '#core/schema/check.ts';
import type { OidcIssuer } from '#join/kubernetes/reviews.ts';
import { fetchText, type FetchRules } from './fetch-text.ts';

/** Keys are fetched anew after this. */
const FRESH_MS = 4 * 3_600_000;
/** While the issuer does not answer they are used for as long as this. */
const KEEP_MS = 24 * 3_600_000;
/** Between two attempts at one issuer. */
const PAUSE_MS = 60_000;
const MAX_ISSUERS = 256;

export interface OidcKeysOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly resolve?: FetchRules['resolve'];
}

interface Known {
  keys: readonly JwtKey[];
  fetchedAt: number;
  triedAt: number;
  problem: string;
  running?: Promise<void> | undefined;
}

export class OidcKeys {
  readonly #options: OidcKeysOptions;
  readonly #issuers = new Map<string, Known>();

  constructor(options: OidcKeysOptions) {
    this.#options = options;
  }

  /** As KubernetesReviews.keysOf. */
  async keysOf(issuer: OidcIssuer, keyId: string | undefined): Promise<readonly JwtKey[]> {
    const known = this.#known(issuer);
    const now = this.#options.clock.now();
    const isKnown = keyId === undefined || known.keys.some(({ id }) => id === keyId);
    const isFresh = now - known.fetchedAt < FRESH_MS;
    if (!(isKnown && isFresh)) await this.#refresh(issuer, known, now);
    if (known.keys.length > 0 && now - known.fetchedAt < KEEP_MS) return known.keys;
    throw new GatehouseError('UNAVAILABLE', `the keys of the issuer are not known: ${known.problem}`);
  }

  #known(issuer: OidcIssuer): Known {
    // Other rules are other answers.
    const id = JSON.stringify(issuer);
    const found = this.#issuers.get(id);
    if (found !== undefined) return found;
    const made: Known = { keys: [], fetchedAt: -Infinity, triedAt: -Infinity, problem: 'nobody has asked' };
    this.#issuers.set(id, made);
    const [oldest] = this.#issuers.keys();
    if (this.#issuers.size > MAX_ISSUERS && oldest !== undefined) this.#issuers.delete(oldest);
    return made;
  }

  /** All who need it wait for one attempt; never rejects. */
  async #refresh(issuer: OidcIssuer, known: Known, now: number): Promise<void> {
    if (known.running === undefined && now - known.triedAt < PAUSE_MS) return;
    known.running ??= this.#attempt(issuer, known, now).finally(() => void (known.running = undefined));
    await known.running;
  }

  async #attempt(issuer: OidcIssuer, known: Known, now: number): Promise<void> {
    const { log, resolve } = this.#options;
    known.triedAt = now;
    try {
      known.keys = await fetchKeys(issuer, resolve);
      known.fetchedAt = now;
    } catch (error) {
      if (!isCode(error)) throw error;
      known.problem = error.message;
      log.warn(
        { issuer: issuer.issuer, problem: error.message, hasKeys: known.keys.length > 0 },
        'the keys of an issuer of join tokens could not be fetched',
      );
    }
  }
}

/** UNAVAILABLE, ACCESS_DENIED or BAD_REQUEST. */
async function fetchKeys(issuer: OidcIssuer, resolve: FetchRules['resolve']): Promise<readonly JwtKey[]> {
  const rules: FetchRules = {
    allowsHttp: issuer.insecure_allow_http_issuer,
    allowsPrivate: issuer.allow_private_addresses,
    authority: issuer.ca_cert,
    ...(resolve === undefined ? {} : { resolve }),
  };
  const base = issuer.issuer.replace(/\/$/, '');
  const discovery = parse(await fetchText(new URL(`${base}/.well-known/openid-configuration`), rules));
  if (discovery['issuer'] !== issuer.issuer) {
    throw new GatehouseError('UNAVAILABLE', 'the discovery document is of another issuer');
  }
  const uri = discovery['jwks_uri'];
  if (typeof uri !== 'string' || uri.length > 2048 || !URL.canParse(uri)) {
    throw new GatehouseError('UNAVAILABLE', 'the discovery document names no keys');
  }
  return parseJwks(await fetchText(new URL(uri), rules));
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (isPlainObject(value)) return value;
  } catch {
    // Said below.
  }
  throw new GatehouseError('UNAVAILABLE', 'the discovery document is no JSON object');
}
