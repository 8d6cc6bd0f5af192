// The private keys of a certificate authority. Apart from `cert_authority` so that no read of the public half can
// ever carry a key; only auth/authority reads it.
import { defineKind } from '#core/kind.ts';
import { AUTHORITY_TYPES } from '../cert-authority/kind.ts';
import * as s from '#core/schema/schema.ts';

const algorithm = s.enumOf(['ed25519', 'ecdsa-p256', 'rsa-2048', 'rsa-4096']);

const sshPair = s.object({
  public_key: s.string({ minLength: 1 }),
  private_key: s.string({ minLength: 1, secret: true, description: 'PKCS #8, PEM.' }),
  algorithm,
});

const tlsPair = s.object({
  cert: s.string({ minLength: 1 }),
  key: s.string({ minLength: 1, secret: true, description: 'PKCS #8, PEM.' }),
  algorithm,
});

const keySet = s.object({
  ssh: s.withDefault(s.list(sshPair, { max: 16 }), []),
  tls: s.withDefault(s.list(tlsPair, { max: 16 }), []),
});

const spec = s.object({
  type: s.enumOf(AUTHORITY_TYPES),
  keys: keySet,
});

export type CertAuthorityKeySpec = s.Infer<typeof spec>;

export const certAuthorityKeyKind = defineKind<CertAuthorityKeySpec>({
  name: 'cert_authority_key',
  audience: 'internal',
  description: 'The private keys of the certificate authority of the same name.',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'Type', value: (record) => record.spec.type },
    { title: 'SSH Keys', value: (record) => String(record.spec.keys.ssh.length) },
    { title: 'TLS Keys', value: (record) => String(record.spec.keys.tls.length) },
  ],
  check: (record) =>
    record.metadata.name === record.spec.type
      ? []
      : [{ path: ['metadata', 'name'], message: `must be equal to spec.type ("${record.spec.type}")` }],
});
