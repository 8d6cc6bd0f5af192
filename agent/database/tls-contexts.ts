// What TLS with databases is set up from: reading authorities and certificates takes milliseconds, so each set of them is read
// once. Apart from the connector, which only says which.
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import type { DbClientCertificate } from './client-certificates.ts';

/** PEM: authorities in place of the usual ones, or besides them; neither for the usual ones alone. */
export interface Trusted {
  readonly only?: string;
  readonly also?: string;
}

type ByCertificate = Map<string, SecureContext>;

const MOST_AUTHORITIES = 256;
const MOST_CERTIFICATES = 1024;

export class TlsContexts {
  // By the whole text, which is the same object each time: cheaper than any digest of it.
  readonly #only = new Map<string, ByCertificate>();
  readonly #also = new Map<string, ByCertificate>();

  get(trusted: Trusted, shown: DbClientCertificate | undefined): SecureContext {
    const { only, also = '' } = trusted;
    const all = only === undefined ? this.#also : this.#only;
    const byCertificate = kept(all, only ?? also, MOST_AUTHORITIES, () => new Map());
    return kept(byCertificate, shown?.id ?? '', MOST_CERTIFICATES, () => makeContext(trusted, shown));
  }

  clear(): void {
    this.#only.clear();
    this.#also.clear();
  }
}

function makeContext({ only, also }: Trusted, shown: DbClientCertificate | undefined): SecureContext {
  const usual = (): string[] => [...getCACertificates('default'), ...getCACertificates('system')];
  return createSecureContext({
    minVersion: 'TLSv1.2',
    ca: only ?? [...usual(), ...(also === undefined ? [] : [also])],
    ...(shown === undefined ? {} : { cert: shown.certificate, key: shown.privateKey.reveal() }),
  });
}

/** What is there, or what is made; the oldest goes when there are too many. */
function kept<V>(map: Map<string, V>, key: string, most: number, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  const [oldest] = map.keys();
  if (map.size > most && oldest !== undefined) map.delete(oldest);
  return made;
}
