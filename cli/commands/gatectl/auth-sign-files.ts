// What `gatectl auth sign` writes in each of its formats.
import { basename } from 'node:path';
import { knownHostsCertAuthorityLine, parseAuthorizedKey, publicKeyLine } from '#core/certs/ssh/lines.ts';
import { openSshPrivateKey } from '#core/certs/ssh/private-key.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { generateKeyPair, generateKeyPairAsync, privateKeyPem, publicKeyPem } from '#core/certs/x509/keys.ts';
import { signDatabase, signSshd, signUser } from '#core/api/login.ts';
import type { Api } from '#client/api.ts';
import { durationText } from '../../arguments.ts';
import { formatIdentityFile } from '../../identity-file.ts';

export interface SignWish {
  readonly out: string;
  readonly format: 'file' | 'openssh' | 'tls' | 'db';
  readonly ttlMs: number | undefined;
  readonly user: string;
  readonly hosts: readonly string[];
}

export interface SignedFiles {
  readonly files: readonly { readonly path: string; readonly content: string }[];
  /** RFC 3339. */
  readonly expires: string;
  /** What to do with them. */
  readonly notes: readonly string[];
}

const USER_TTL_MS = 12 * 3_600_000;
const DATABASE_TTL_MS = 2190 * 3_600_000;
const SSHD_TTL_MS = 8760 * 3_600_000;

/** For a user. The one key serves SSH and TLS: a file with one key is what other programs expect. */
export async function userFiles(api: Api, { out, format, ttlMs, user }: SignWish): Promise<SignedFiles> {
  const { publicKey, privateKey } = generateKeyPair('ecdsa-p256');
  const signed = await api.call(signUser, {
    user,
    ttl: durationText(ttlMs ?? USER_TTL_MS),
    cert_format: 'standard',
    ssh_public_key: publicKeyLine(publicKeyFromKeyObject(publicKey)),
    tls_public_key: publicKeyPem(publicKey),
  });
  const { expires } = signed;
  if (format === 'openssh') {
    return {
      files: [
        { path: out, content: openSshPrivateKey(privateKey, signed.user).reveal() },
        { path: `${out}-cert.pub`, content: `${signed.ssh_certificate}\n` },
      ],
      expires,
      notes: [`Use them with: ssh -i ${out} LOGIN@HOST`],
    };
  }
  const key = privateKeyPem(privateKey);
  if (format === 'tls') {
    return {
      files: pemFiles(out, key.reveal(), signed.tls_certificate, signed.tls_authorities),
      expires,
      notes: [],
    };
  }
  const content = formatIdentityFile({
    privateKey: key,
    tlsCertificate: signed.tls_certificate,
    tlsAuthorities: signed.tls_authorities,
    sshCertificate: signed.ssh_certificate,
    knownHosts: signed.ssh_host_authorities.map((line) =>
      knownHostsCertAuthorityLine([`*.${signed.cluster_name}`], parseAuthorizedKey(line).key),
    ),
  });
  const notes = [`Use it with: gatectl --identity=${out} --auth-server=HOST:PORT status`];
  return { files: [{ path: out, content }], expires, notes };
}

/** For the server of a database. RSA, which every database takes. */
export async function databaseFiles(api: Api, { out, ttlMs, hosts }: SignWish): Promise<SignedFiles> {
  const { publicKey, privateKey } = await generateKeyPairAsync('rsa-2048');
  const signed = await api.call(signDatabase, {
    tls_public_key: publicKeyPem(publicKey),
    hosts,
    ttl: durationText(ttlMs ?? DATABASE_TTL_MS),
  });
  return {
    files: pemFiles(out, privateKeyPem(privateKey).reveal(), signed.tls_certificate, signed.tls_authorities),
    expires: signed.expires,
    notes: [
      'For PostgreSQL, in postgresql.conf:',
      `  ssl = on, ssl_cert_file = '${out}.crt', ssl_key_file = '${out}.key', ssl_ca_file = '${out}.cas'`,
    ],
  };
}

/** For a server that runs plain sshd: one more host key, and what vouches for it. */
export async function sshdFiles(api: Api, { out, ttlMs, hosts }: SignWish): Promise<SignedFiles> {
  const { publicKey, privateKey } = generateKeyPair('ed25519');
  const signed = await api.call(signSshd, {
    ssh_public_key: publicKeyLine(publicKeyFromKeyObject(publicKey)),
    hosts,
    ttl: durationText(ttlMs ?? SSHD_TTL_MS),
  });
  return {
    files: [
      { path: out, content: openSshPrivateKey(privateKey, hosts[0] ?? '').reveal() },
      { path: `${out}-cert.pub`, content: `${signed.ssh_certificate}\n` },
    ],
    expires: signed.expires,
    notes: [
      'On the server, in sshd_config, with the path of the files there:',
      `  HostKey /etc/ssh/${basename(out)}`,
      `  HostCertificate /etc/ssh/${basename(out)}-cert.pub`,
      '  TrustedUserCAKeys /etc/ssh/gatehouse_user_ca.pub',
      'The last of these files is what `gatectl auth export --type=user` prints.',
    ],
  };
}

function pemFiles(
  out: string,
  key: string,
  certificate: string,
  authorities: readonly string[],
): SignedFiles['files'] {
  return [
    { path: `${out}.key`, content: key },
    { path: `${out}.crt`, content: certificate },
    { path: `${out}.cas`, content: authorities.join('') },
  ];
}
