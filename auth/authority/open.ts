// Opens the certificate authorities of the cluster: makes them at the very first start, loads their keys once, and
// follows the state when an authority changes. The private keys never leave this folder.
import type { Clock, Timer } from '#core/clock.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { caPin } from '#core/certs/x509/pin.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { certAuthorityKeyKind } from '#kinds/cert-authority-key/kind.ts';
import type { CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import type { ClusterState } from '../state/state.ts';
import {
  AUTHORITY_TYPES,
  type AuthorityType,
  type CertificateAuthorities,
  type PublicAuthority,
} from './authority.ts';
import { ownKeysOf, spellingOf } from './own-keys.ts';
import { makeAuthority, type CaSignatureAlgorithm } from './records.ts';
import { loadSigners, signSshPlan, signTlsPlan, type Signers } from './signers.ts';

export interface AuthoritiesOptions {
  readonly state: ClusterState;
  readonly clusterName: string;
  /** For authorities that do not exist yet; default ed25519. */
  readonly signatureAlgorithm?: CaSignatureAlgorithm | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface OpenAuthorities extends CertificateAuthorities {
  /** True when this call made the authorities: the first start of the cluster. */
  readonly created: boolean;
  /** Resolves when the changes seen so far are in force. */
  settled(): Promise<void>;
  /** Stops following the state. */
  close(): void;
}

const RETRY_MS = 15_000;

/**
 * INVALID_CONFIG when the store belongs to a cluster of another name; CORRUPT when a private key is missing. Several
 * auth servers may start at once on an empty store: one makes each authority, the others take it over.
 */
export async function openAuthorities(options: AuthoritiesOptions): Promise<OpenAuthorities> {
  const { state } = options;
  await state.ready;
  let created = false;
  for (const type of AUTHORITY_TYPES) {
    const isNew = await ensure(type, options);
    // A later release may add one to a cluster that has been there for long.
    if (type === 'host') created = isNew;
  }
  const signers = new Map<AuthorityType, Signers>();
  const following = followRotations(signers, options);
  try {
    for (const type of AUTHORITY_TYPES) {
      const loaded = await load(type, options);
      // A rotation meanwhile has brought newer ones.
      if (!signers.has(type)) signers.set(type, loaded);
    }
  } catch (error) {
    following.close();
    throw error;
  }
  warnOfOtherAlgorithm(signers, options);

  const described = new WeakMap<Resource<CertAuthoritySpec>, Described>();
  const describedNow = (type: AuthorityType): Described => {
    const resource = requireAuthority(state, type);
    const known = described.get(resource) ?? describe(type, resource.spec);
    described.set(resource, known);
    return known;
  };

  const requireSigners = (type: AuthorityType): Signers => {
    const found = signers.get(type);
    if (found === undefined) throw new GatehouseError('UNAVAILABLE', `the ${type} authority is not loaded`);
    return found;
  };

  return {
    created,
    publicPart: (type) => describedNow(type).part,
    caPins: () => describedNow('host').part.tlsCertificates.map((pem) => caPin(derFromPem(pem))),
    isOwnKey(key) {
      const spelling = spellingOf(key);
      return AUTHORITY_TYPES.some((type) => describedNow(type).keys.has(spelling));
    },
    signSsh(type, plan) {
      const { ssh } = requireSigners(type);
      if (ssh === undefined) throw new GatehouseError('BAD_REQUEST', `the ${type} authority has no SSH key`);
      return signSshPlan(ssh, plan);
    },
    signTls: (type, plan) => signTlsPlan(requireSigners(type), plan),
    signJwt: (claims) => requireSigners('jwt').signJwt(claims),
    settled: following.settled,
    close: following.close,
  };
}

/** Loads the keys of an authority again when it changes; when that fails, again and again until it does not. */
function followRotations(
  signers: Map<AuthorityType, Signers>,
  options: AuthoritiesOptions,
): Pick<OpenAuthorities, 'settled' | 'close'> {
  const { state, clock, log } = options;
  let pending: Promise<void> = Promise.resolve();
  const retries = new Map<AuthorityType, Timer>();
  let isClosed = false;
  const reload = async (type: AuthorityType): Promise<void> => {
    if (isClosed) return;
    retries.get(type)?.cancel();
    try {
      signers.set(type, await load(type, options));
      log.info({ authority: type }, 'a certificate authority changed, its keys are loaded again');
    } catch (error) {
      log.error(
        { authority: type, err: error },
        'the keys of a certificate authority could not be loaded again; it is tried again',
      );
      retries.set(
        type,
        clock.after(RETRY_MS, () => queue(type)),
      );
    }
  };
  const queue = (type: AuthorityType): void => {
    pending = pending.then(() => reload(type));
  };
  const stop = state.onChange((event) => {
    const type = AUTHORITY_TYPES.find((other) => other === event.name);
    if (event.kind === 'cert_authority' && event.type === 'put' && type !== undefined) queue(type);
  });
  return {
    settled: () => pending,
    close() {
      isClosed = true;
      stop();
      for (const timer of retries.values()) timer.cancel();
    },
  };
}

/** Makes the authority, public and private half in one write, unless there is one. True when it was made here. */
async function ensure(type: AuthorityType, options: AuthoritiesOptions): Promise<boolean> {
  const { state, clusterName, clock, log } = options;
  if (state.get('cert_authority', type) !== undefined) return false;
  const algorithm = options.signatureAlgorithm ?? 'ed25519';
  const records = await makeAuthority(type, clusterName, algorithm, clock.now());
  try {
    await state.write([
      { do: 'create', resource: records.open },
      { do: 'create', resource: records.secret },
    ]);
  } catch (error) {
    if (!isCode(error, 'ALREADY_EXISTS')) throw error;
    log.info({ authority: type }, 'another auth server has made the certificate authority');
    return false;
  }
  log.info({ authority: type, cluster: clusterName }, 'a certificate authority was made');
  return true;
}

async function load(type: AuthorityType, options: AuthoritiesOptions): Promise<Signers> {
  const { state, clusterName, signatureAlgorithm = 'ed25519' } = options;
  const secret = await state.read(certAuthorityKeyKind, type);
  const open = requireAuthority(state, type);
  if (open.spec.cluster_name !== clusterName) {
    throw new GatehouseError(
      'INVALID_CONFIG',
      `cluster_name is "${clusterName}", but this store belongs to the cluster "${open.spec.cluster_name}"; the name cannot be changed`,
    );
  }
  if (secret === undefined) {
    throw new GatehouseError(
      'CORRUPT',
      `the private keys of the ${type} authority are not in the store; restore it from a backup`,
    );
  }
  return loadSigners(open.spec, secret.spec, signatureAlgorithm);
}

function requireAuthority(state: ClusterState, type: AuthorityType): Resource<CertAuthoritySpec> {
  const found = state.get('cert_authority', type);
  // The copy holds what parseResource of this kind accepted.
  if (found !== undefined) return found as Resource<CertAuthoritySpec>;
  throw new GatehouseError('CORRUPT', `the ${type} authority is not in the store; restore it from a backup`);
}

interface Described {
  readonly part: PublicAuthority;
  readonly keys: ReadonlySet<string>;
}

function describe(type: AuthorityType, spec: CertAuthoritySpec): Described {
  const sets = [spec.active_keys, spec.additional_trusted_keys];
  const part: PublicAuthority = {
    type,
    tlsCertificates: sets.flatMap((keys) => keys.tls.map(({ cert }) => cert)),
    sshPublicKeys: sets.flatMap((keys) => keys.ssh.map(({ public_key }) => public_key)),
  };
  return { part, keys: ownKeysOf(part) };
}

function warnOfOtherAlgorithm(
  signers: ReadonlyMap<AuthorityType, Signers>,
  { signatureAlgorithm, log }: AuthoritiesOptions,
): void {
  if (signatureAlgorithm === undefined) return;
  const others = [...signers].filter(
    ([, { ssh }]) => ssh !== undefined && !isMadeBy(ssh.algorithm, signatureAlgorithm),
  );
  if (others.length === 0) return;
  log.warn(
    { authorities: others.map(([type]) => type), ca_signature_algo: signatureAlgorithm },
    'ca_signature_algo does not fit the existing authorities; they keep their keys until they are rotated',
  );
}

const isMadeBy = (used: string, wanted: CaSignatureAlgorithm): boolean =>
  used === (wanted === 'ed25519' ? 'ssh-ed25519' : wanted);
