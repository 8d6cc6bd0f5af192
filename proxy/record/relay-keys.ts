// The keys with which this proxy ends sessions: one that shows a person the name of a server, one that lets the person's
// session through to it. Their certificates come from auth and are kept while they last; the keys never leave memory.
import { createHash } from 'node:crypto';
import type { Api } from '#client/api.ts';
import { relayHost, relayUser } from '#core/api/relay.ts';
import { parseSshCertificateLine, type SshCertificate } from '#core/certs/ssh/certificate.ts';
import { publicKeyLine, sshCertificateLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import type { Clock } from '#core/clock.ts';
import type { CertifiedKey } from '#wire/host-keys.ts';

export interface RelayKeysOptions {
  readonly clock: Clock;
  readonly api: () => Pick<Api, 'call'>;
}

export interface RelayedLogin {
  readonly nodeId: string;
  readonly login: string;
  /** What the person has shown, and proven to hold the key of. */
  readonly certificate: SshCertificate;
  /** IP of the person's client. */
  readonly address: string;
}

interface Kept {
  readonly key: Promise<CertifiedKey>;
  /** Milliseconds since the epoch; set when it is there. */
  goodUntil: number;
}

const MOST_KEPT = 10_000;
/** Not used any more so long before its end; a connection takes a while to be made. */
const MARGIN_MS = 60_000;

export class RelayKeys {
  readonly #options: RelayKeysOptions;
  readonly #privateKey;
  readonly #publicLine: string;
  readonly #kept = new Map<string, Kept>();

  constructor(options: RelayKeysOptions) {
    this.#options = options;
    const { privateKey, publicKey } = generateKeyPair('ed25519');
    this.#privateKey = privateKey;
    this.#publicLine = publicKeyLine(publicKeyFromKeyObject(publicKey));
  }

  /** What the server of this id shows; errors of the auth API. */
  host(nodeId: string): Promise<CertifiedKey> {
    return this.#get(`host ${nodeId}`, () =>
      this.#options.api().call(relayHost, { node: nodeId, ssh_public_key: this.#publicLine }),
    );
  }

  /** The way in for one login on one server; errors of the auth API. */
  user({ nodeId, login, certificate, address }: RelayedLogin): Promise<CertifiedKey> {
    const shown = createHash('sha256').update(certificate.blob).digest('base64');
    return this.#get(`user ${nodeId} ${login} ${address} ${shown}`, () =>
      this.#options.api().call(relayUser, {
        node: nodeId,
        login,
        address,
        certificate: sshCertificateLine(certificate),
        ssh_public_key: this.#publicLine,
      }),
    );
  }

  /** Roles, locks or names may have changed: nothing that was given before is used for new sessions. */
  forget(): void {
    this.#kept.clear();
  }

  #get(name: string, ask: () => Promise<{ readonly ssh_certificate: string }>): Promise<CertifiedKey> {
    const found = this.#kept.get(name);
    if (found !== undefined && this.#options.clock.now() < found.goodUntil) return found.key;
    const kept: Kept = { key: this.#ask(ask, (end) => (kept.goodUntil = end)), goodUntil: Infinity };
    this.#kept.delete(name);
    this.#kept.set(name, kept);
    kept.key.catch(() => {
      if (this.#kept.get(name) === kept) this.#kept.delete(name);
    });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= MOST_KEPT) break;
      this.#kept.delete(oldest);
    }
    return kept.key;
  }

  async #ask(
    ask: () => Promise<{ readonly ssh_certificate: string }>,
    until: (end: number) => void,
  ): Promise<CertifiedKey> {
    const { ssh_certificate: line } = await ask();
    const { blob, validBefore } = parseSshCertificateLine(line);
    until(validBefore - MARGIN_MS);
    return { privateKey: this.#privateKey, certificate: blob };
  }
}
