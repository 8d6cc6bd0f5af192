// New authorities as records: the public half for everybody, the private half for this folder. Making keys is apart
// from open.ts so that its choices can be read and tested on their own.
import type { KeyObject } from 'node:crypto';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { publicKeyFromKeyObject } from '#core/certs/ssh/public-key.ts';
import { issueSelfSignedCa } from '#core/certs/x509/issue.ts';
import { generateKeyPairAsync, privateKeyPem, type KeyAlgorithm } from '#core/certs/x509/keys.ts';
import { certificateToPem } from '#core/certs/x509/pem.ts';
import { parseResource } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { certAuthorityKeyKind, type CertAuthorityKeySpec } from '#kinds/cert-authority-key/kind.ts';
import { certAuthorityKind, type CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import type { AuthorityType } from './authority.ts';

export const SIGNATURE_ALGORITHMS = ['ed25519', 'rsa-sha2-256', 'rsa-sha2-512'] as const;
/** How new authorities sign SSH certificates; X.509 is always ECDSA P-256, which every TLS stack takes. */
export type CaSignatureAlgorithm = (typeof SIGNATURE_ALGORITHMS)[number];

export interface AuthorityRecords {
  readonly open: Resource<CertAuthoritySpec>;
  readonly secret: Resource<CertAuthorityKeySpec>;
}

const LIFETIME_MS = 10 * 365.25 * 24 * 3_600_000;
/** Members whose clocks are behind must be able to use a new authority at once. */
const BACKDATE_MS = 60 * 60_000;
const TLS_ALGORITHM = 'ecdsa-p256';

/** Keys and a self-signed certificate: CN the cluster, O the type, ten years, no authority below it. */
export async function makeAuthority(
  type: AuthorityType,
  clusterName: string,
  algorithm: CaSignatureAlgorithm,
  now: number,
): Promise<AuthorityRecords> {
  const tls = await generateKeyPairAsync(TLS_ALGORITHM);
  const cert = certificateToPem(
    issueSelfSignedCa({
      subject: { commonName: clusterName, organization: [type] },
      privateKey: tls.privateKey,
      notBefore: now - BACKDATE_MS,
      notAfter: now + LIFETIME_MS,
      pathLen: 0,
    }),
  );
  const ssh = hasSsh(type) ? [await makeSshKey(type, clusterName, algorithm)] : [];
  const tlsPair = { cert, key: privateKeyPem(tls.privateKey).reveal(), algorithm: TLS_ALGORITHM };
  return {
    open: parseResource(certAuthorityKind, {
      kind: 'cert_authority',
      metadata: { name: type },
      spec: {
        type,
        cluster_name: clusterName,
        active_keys: { ssh: ssh.map(({ public_key }) => ({ public_key })), tls: [{ cert }] },
        rotation: { state: 'standby' },
        ...(hasSsh(type) ? { signing_algo: algorithm } : {}),
      },
    }),
    secret: parseResource(certAuthorityKeyKind, {
      kind: 'cert_authority_key',
      metadata: { name: type },
      spec: { type, keys: { ssh, tls: [tlsPair] } },
    }),
  };
}

/** Those that sign for machines and people; databases and tokens have X.509 keys alone. */
const hasSsh = (type: AuthorityType): boolean => type === 'user' || type === 'host';

async function makeSshKey(
  type: AuthorityType,
  clusterName: string,
  signature: CaSignatureAlgorithm,
): Promise<{ public_key: string; private_key: string; algorithm: KeyAlgorithm }> {
  const algorithm: KeyAlgorithm = signature === 'ed25519' ? 'ed25519' : 'rsa-4096';
  const { privateKey } = await generateKeyPairAsync(algorithm);
  return {
    public_key: publicKeyLine(publicKeyFromKeyObject(privateKey), `${type}-authority.${clusterName}`),
    private_key: privateKeyPem(privateKey).reveal(),
    algorithm,
  };
}

/** True when two keys, public or private, belong to one pair. */
export function isSamePair(one: KeyObject, other: KeyObject): boolean {
  const [blob, otherBlob] = [publicKeyFromKeyObject(one).blob, publicKeyFromKeyObject(other).blob];
  return Buffer.from(blob).equals(otherBlob);
}
