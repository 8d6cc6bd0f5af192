// Client certificates for accounts in self-hosted databases, from auth: kept until shortly before they end, one for each
// person's certificate and account, asked for once however many connections wait.
import { createHash, type KeyObject } from 'node:crypto';
import type { Api } from '#client/api.ts';
import { databaseClientCertificate } from '#core/api/database.ts';
import { generateKeyPair, privateKeyPem, publicKeyPem } from '#core/certs/x509/keys.ts';
import type { Clock } from '#core/clock.ts';
import type { Secret } from '#core/secret.ts';
import type { DbLogin } from './connect.ts';

export interface DbClientCertificate {
  /** PEM. */
  readonly certificate: string;
  readonly privateKey: Secret;
  /** The same for the same certificate. */
  readonly id: string;
}

interface Kept {
  readonly certificate: Promise<DbClientCertificate>;
  until: number;
}

export interface ClientCertificatesOptions {
  readonly clock: Clock;
  readonly api: () => Pick<Api, 'call'>;
}

const EARLY_MS = 60_000;
const MOST = 4096;

export class DbClientCertificates {
  readonly #options: ClientCertificatesOptions;
  readonly #privateKey: Secret;
  readonly #publicKey: string;
  readonly #kept = new Map<string, Kept>();

  constructor(options: ClientCertificatesOptions) {
    this.#options = options;
    const pair: { privateKey: KeyObject; publicKey: KeyObject } = generateKeyPair('ecdsa-p256');
    this.#privateKey = privateKeyPem(pair.privateKey);
    this.#publicKey = publicKeyPem(pair.publicKey);
  }

  /** As auth answers: ACCESS_DENIED, LOCKED, CERTIFICATE_INVALID, NOT_FOUND, UNAVAILABLE. */
  get(service: string, login: DbLogin & { readonly certificate: Uint8Array }): Promise<DbClientCertificate> {
    const shown = createHash('sha256').update(login.certificate).digest('base64');
    const id = JSON.stringify([service, shown, login.user, login.database, login.isAdmin ?? false]);
    const known = this.#kept.get(id);
    if (known !== undefined && this.#options.clock.now() < known.until) return known.certificate;
    this.#kept.delete(id);
    const entry: Kept = { certificate: Promise.resolve() as never, until: Number.POSITIVE_INFINITY };
    const certificate = this.#ask(service, login, entry);
    this.#kept.set(id, Object.assign(entry, { certificate }));
    certificate.catch(() => {
      if (this.#kept.get(id) === entry) this.#kept.delete(id);
    });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST && oldest !== undefined) this.#kept.delete(oldest);
    return certificate;
  }

  async #ask(
    service: string,
    { user, database, certificate, isAdmin }: DbLogin & { readonly certificate: Uint8Array },
    entry: Kept,
  ): Promise<DbClientCertificate> {
    const reply = await this.#options.api().call(databaseClientCertificate, {
      service,
      account: user,
      database,
      admin: isAdmin ?? false,
      certificate: Buffer.from(certificate).toString('base64'),
      tls_public_key: this.#publicKey,
    });
    entry.until = Date.parse(reply.expires) - EARLY_MS;
    const id = createHash('sha256').update(reply.tls_certificate).digest('base64');
    return { certificate: reply.tls_certificate, privateKey: this.#privateKey, id };
  }
}
