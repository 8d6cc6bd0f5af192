// A certificate authority of the cluster: the public half that everybody may see, and how far a rotation is.
// The private keys are in `cert_authority_key`, which only the auth service reads.
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { defineKind } from '#core/kind.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

export const AUTHORITY_TYPES = ['user', 'host', 'db', 'jwt'] as const;
export type AuthorityType = (typeof AUTHORITY_TYPES)[number];

const publicText: s.Format = {
  says: 'a public key or certificate; private keys are never part of this resource',
  accepts: (text) => text !== '' && !text.includes('PRIVATE KEY'),
};

const keySet = s.object({
  ssh: s.withDefault(
    s.list(s.object({ public_key: s.string({ format: publicText, description: 'authorized_keys form.' }) }), {
      max: 16,
    }),
    [],
  ),
  tls: s.withDefault(
    s.list(s.object({ cert: s.string({ format: publicText, description: 'PEM.' }) }), { max: 16 }),
    [],
  ),
});

const rotation = s.object({
  state: s.withDefault(s.enumOf(['standby', 'in_progress']), 'standby'),
  phase: s.optional(
    s.enumOf(['standby', 'init', 'update_clients', 'update_servers', 'rollback'], {
      description: 'Which step of a rotation is in force.',
    }),
  ),
  mode: s.optional(s.enumOf(['manual', 'auto'])),
  current_id: s.optional(s.string({ maxLength: 64 })),
  started: s.optional(s.timestamp()),
  grace_period: s.optional(s.duration()),
  last_rotated: s.optional(s.timestamp()),
});

const spec = s.object({
  type: s.enumOf(AUTHORITY_TYPES, { description: 'What the authority signs.' }),
  cluster_name: s.string({ format: clusterNameFormat }),
  active_keys: keySet,
  additional_trusted_keys: s.withDefault(keySet, { ssh: [], tls: [] }),
  rotation: s.optional(rotation),
  signing_algo: s.optional(
    s.enumOf(['ed25519', 'ecdsa-p256', 'rsa-sha2-256', 'rsa-sha2-512'], {
      description: 'Signature algorithm of SSH certificates.',
    }),
  ),
});

export type CertAuthoritySpec = s.Infer<typeof spec>;

export const certAuthorityKind = defineKind<CertAuthoritySpec>({
  name: 'cert_authority',
  plural: 'cert_authorities',
  aliases: ['ca', 'cas'],
  description: 'The public keys of a certificate authority; it is named as its type: user, host, db or jwt.',
  versions: ['v2'],
  spec,
  columns: [
    { title: 'Type', value: (authority) => authority.spec.type },
    { title: 'Cluster', value: (authority) => authority.spec.cluster_name },
    { title: 'Rotation', value: (authority) => authority.spec.rotation?.state ?? 'standby' },
    { title: 'Last Rotated', value: (authority) => authority.spec.rotation?.last_rotated ?? 'never updated' },
  ],
  check: (authority): Problem[] =>
    authority.metadata.name === authority.spec.type
      ? []
      : [{ path: ['metadata', 'name'], message: `must be equal to spec.type ("${authority.spec.type}")` }],
});
