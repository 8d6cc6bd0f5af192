// One file with everything a program needs to call the cluster: private key, SSH certificate, TLS certificate, and the
// authorities to know the cluster by. `gatectl auth sign --format=file` writes it, `--identity` reads it.
import { createPublicKey } from 'node:crypto';
import { certificatesFromPem, certificateToPem } from '#core/certs/x509/pem.ts';
import { privateKeyFromPem } from '#core/certs/x509/keys.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { Secret } from '#core/secret.ts';

export interface IdentityFile {
  /** PKCS #8 PEM. */
  readonly privateKey: Secret;
  /** PEM. */
  readonly tlsCertificate: string;
  /** PEM. */
  readonly tlsAuthorities: readonly string[];
  /** One `*-cert.pub` line. */
  readonly sshCertificate?: string | undefined;
  /** `@cert-authority` lines of known_hosts. */
  readonly knownHosts: readonly string[];
}

const MAX_LENGTH = 1024 * 1024;
const PRIVATE_KEY = /-----BEGIN PRIVATE KEY-----[A-Za-z0-9+/=\s]+-----END PRIVATE KEY-----/;

export function formatIdentityFile(identity: IdentityFile): string {
  const lines = [
    identity.privateKey.reveal().trimEnd(),
    ...(identity.sshCertificate === undefined ? [] : [identity.sshCertificate]),
    identity.tlsCertificate.trimEnd(),
    ...identity.tlsAuthorities.map((pem) => pem.trimEnd()),
    ...identity.knownHosts,
  ];
  return `${lines.join('\n')}\n`;
}

/** BAD_REQUEST when something is missing or does not fit; the message never quotes the file. */
export function parseIdentityFile(text: string): IdentityFile {
  if (text.length > MAX_LENGTH) throw new GatehouseError('TOO_LARGE', 'an identity file has at most 1 MiB');
  const key = PRIVATE_KEY.exec(text)?.[0];
  if (key === undefined) {
    throw bad('it holds no private key in PEM (BEGIN PRIVATE KEY)');
  }
  const privateKey = new Secret(`${key}\n`);
  const [certificate, ...authorities] = certificatesFromPem(text).map((der) => ({
    der,
    pem: certificateToPem(der),
  }));
  if (certificate === undefined || authorities.length === 0) {
    throw bad('it must hold a certificate and the authorities of the cluster');
  }
  const own = createPublicKey(privateKeyFromPem(privateKey)).export({ type: 'spki', format: 'der' });
  if (!own.equals(parseX509(certificate.der).publicKey.der)) {
    throw bad('its first certificate is not for its private key');
  }
  const lines = text.split(/\r?\n/);
  return {
    privateKey,
    tlsCertificate: certificate.pem,
    tlsAuthorities: authorities.map(({ pem }) => pem),
    sshCertificate: lines.find((line) => /^(?:ssh|ecdsa)-[a-z0-9-]+-cert-v01@openssh\.com /.test(line)),
    knownHosts: lines.filter((line) => line.startsWith('@cert-authority ')),
  };
}

function bad(why: string): GatehouseError {
  return new GatehouseError('BAD_REQUEST', `this is not an identity file: ${why}`, {
    details: { remedy: 'Make one with `gatectl auth sign --format=file`.' },
  });
}
