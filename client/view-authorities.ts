// The keys of the authorities in the forms that checks take them, read once per change. During a rotation the keys that
// are trusted besides the active ones count as well.
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { parseX509, type ParsedCertificate } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import type { Resource } from '#core/resource.ts';
import type { AuthorityType, CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';

interface Keys {
  readonly ssh: readonly SshPublicKey[];
  readonly pem: readonly string[];
  readonly x509: readonly ParsedCertificate[];
}

/** Without an authority of the type, nothing is trusted. */
export class AuthoritySet {
  readonly #find: (type: AuthorityType) => Resource<CertAuthoritySpec> | undefined;
  readonly #known = new Map<AuthorityType, Keys>();

  constructor(find: (type: AuthorityType) => Resource<CertAuthoritySpec> | undefined) {
    this.#find = find;
  }

  /** To be called when an authority changed. */
  clear(): void {
    this.#known.clear();
  }

  ssh(type: AuthorityType): readonly SshPublicKey[] {
    return this.#of(type).ssh;
  }

  pem(type: AuthorityType): readonly string[] {
    return this.#of(type).pem;
  }

  x509(type: AuthorityType): readonly ParsedCertificate[] {
    return this.#of(type).x509;
  }

  #of(type: AuthorityType): Keys {
    const known = this.#known.get(type);
    if (known !== undefined) return known;
    const spec = this.#find(type)?.spec;
    const sets = spec === undefined ? [] : [spec.active_keys, spec.additional_trusted_keys];
    const pem = sets.flatMap((set) => set.tls.map(({ cert }) => cert));
    const keys: Keys = {
      ssh: sets.flatMap((set) => set.ssh.map(({ public_key: line }) => parseAuthorizedKey(line).key)),
      pem,
      x509: pem.map((text) => parseX509(derFromPem(text))),
    };
    this.#known.set(type, keys);
    return keys;
  }
}
