// The names of the SSH algorithms we take, and which goes with which. SHA-1 "ssh-rsa" is a key type only, never a
// signature algorithm.
export const SSH_KEY_ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'ssh-rsa',
] as const;
export type SshKeyAlgorithm = (typeof SSH_KEY_ALGORITHMS)[number];

export type SshSignatureAlgorithm = Exclude<SshKeyAlgorithm, 'ssh-rsa'> | 'rsa-sha2-256' | 'rsa-sha2-512';

export const CERTIFICATE_SUFFIX = '-cert-v01@openssh.com';

export interface SshCurve {
  /** The name inside the key blob. */
  readonly name: string;
  readonly jwk: string;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** Bytes of one coordinate. */
  readonly size: number;
}

export const SSH_CURVES: Readonly<Partial<Record<string, SshCurve>>> = {
  'ecdsa-sha2-nistp256': { name: 'nistp256', jwk: 'P-256', hash: 'sha256', size: 32 },
  'ecdsa-sha2-nistp384': { name: 'nistp384', jwk: 'P-384', hash: 'sha384', size: 48 },
  'ecdsa-sha2-nistp521': { name: 'nistp521', jwk: 'P-521', hash: 'sha512', size: 66 },
};

export function isSshKeyAlgorithm(name: string): name is SshKeyAlgorithm {
  return (SSH_KEY_ALGORITHMS as readonly string[]).includes(name);
}

/** True for anything that says it is a certificate, known to us or not. */
export function isCertificateAlgorithm(name: string): boolean {
  return /-cert-v\d+@/.test(name);
}

/** "ssh-ed25519-cert-v01@openssh.com" → "ssh-ed25519"; undefined when it is not a certificate we take. */
export function keyAlgorithmOfCertificate(name: string): SshKeyAlgorithm | undefined {
  if (!name.endsWith(CERTIFICATE_SUFFIX)) return undefined;
  const base = name.slice(0, -CERTIFICATE_SUFFIX.length);
  return isSshKeyAlgorithm(base) ? base : undefined;
}

/** The signatures a key of this type may make, the preferred one first. */
export function signatureAlgorithmsOf(algorithm: SshKeyAlgorithm): readonly SshSignatureAlgorithm[] {
  return algorithm === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [algorithm];
}
