// One pair of key and certificate of the web port: from PEM to what TLS uses, and the names it is good for. Pure.
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { GatehouseError } from '#core/errors/error.ts';
import { MEMBER_TLS, WEB_TLS } from './settings.ts';

export interface Keypair {
  readonly context: SecureContext;
  /** The same, for a handshake that asks for a certificate of one of these authorities (PEM). */
  asking(authorities: readonly string[]): SecureContext;
  /** In lower case; may begin with `*.`. */
  readonly names: readonly string[];
  readonly notAfter: number;
  /** Who issued it says so itself. */
  readonly isSelfSigned: boolean;
}

/** `where` names the files in messages. INVALID_CONFIG when they are no pair, whatever is wrong with them. */
export function readKeypair(keyPem: string, certPem: string, where: string): Keypair {
  const certificate = attempt(() => new X509Certificate(certPem), `${where} holds no certificate in PEM`);
  const key: KeyObject = attempt(() => createPrivateKey(keyPem), `${where} holds no unencrypted key in PEM`);
  if (!certificate.checkPrivateKey(key)) throw invalid(`the key and the certificate of ${where} do not fit`);
  if (certificate.ca)
    throw invalid(`${where} begins with the certificate of an authority; its own comes first`);
  const context = attempt(
    () => createSecureContext({ ...WEB_TLS, key: keyPem, cert: certPem }),
    `${where} cannot be used for TLS`,
  );
  return {
    context,
    asking: remembered((ca) =>
      createSecureContext({ ...MEMBER_TLS, key: keyPem, cert: certPem, ca: [...ca] }),
    ),
    names: namesOf(certificate),
    notAfter: Date.parse(certificate.validTo),
    isSelfSigned: certificate.issuer === certificate.subject,
  };
}

/** Made once for each set of authorities, which seldom changes. */
function remembered(
  make: (authorities: readonly string[]) => SecureContext,
): (authorities: readonly string[]) => SecureContext {
  let last: { readonly of: string; readonly context: SecureContext } | undefined;
  return (authorities) => {
    const of = authorities.join('');
    if (last?.of !== of) last = { of, context: make(authorities) };
    return last.context;
  };
}

/** The pair that a client asks for by `serverName`: one of exactly that name, else a wildcard, else the first. */
export function pickKeypair(pairs: readonly Keypair[], serverName: string): Keypair | undefined {
  const name = serverName.toLowerCase();
  const wildcard = `*${name.slice(Math.max(0, name.indexOf('.')))}`;
  return (
    pairs.find(({ names }) => names.includes(name)) ??
    pairs.find(({ names }) => names.includes(wildcard)) ??
    pairs[0]
  );
}

function namesOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  return subjectAltName.split(', ').flatMap((entry) => {
    const [, name] = /^DNS:([\w.*-]+)$/.exec(entry) ?? [];
    return name === undefined ? [] : [name.toLowerCase()];
  });
}

function attempt<T>(work: () => T, message: string): T {
  try {
    return work();
  } catch (cause) {
    throw new GatehouseError('INVALID_CONFIG', message, { cause });
  }
}

const invalid = (message: string): GatehouseError => new GatehouseError('INVALID_CONFIG', message);
