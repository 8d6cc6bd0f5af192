// Who connects to the SSH side of the proxy: a person with a certificate of the user authority, or a member of the cluster
// with its host certificate. Only what the certificate says; whether that person may do anything is admission.ts.
import { RELAY_NODE_EXTENSION } from '#core/api/relay.ts';
import { refuseCertificate } from '#core/certs/refusal.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import type { SshPublicKey } from '#core/certs/ssh/public-key.ts';
import { verifySshCertificate, type SshGrant } from '#core/certs/ssh/verify.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { HostIdentity, SystemRole, UserIdentity } from '#core/identity.ts';
import { readSshIdentity, SSH_IDENTITY_EXTENSION } from '#core/ssh-identity.ts';
import { readHostCertificate } from '#wire/host-keys.ts';
import type { PublicKeyOffer } from '#wire/ssh/ssh.ts';

export type Holder =
  | { readonly is: 'user'; readonly identity: UserIdentity; readonly validBefore: number }
  | { readonly is: 'host'; readonly identity: HostIdentity; readonly validBefore: number };

export interface AuthenticateGround {
  readonly authorities: (type: 'user' | 'host') => readonly SshPublicKey[];
  readonly clusterName: string;
  readonly now: number;
  readonly remoteIp: string;
}

/** Members that have something to say here: agents their tunnels, proxies their dials. */
const MEMBERS: readonly SystemRole[] = ['node', 'app', 'db', 'kube', 'proxy'];

/**
 * Whose certificate is offered; the proof that the peer holds its key is the caller's. A person may use any user name: the
 * name in the certificate counts. A member uses its host id. CERTIFICATE_INVALID, or NOT_SUPPORTED for the oldssh format.
 */
export function readHolder({ user, algorithm, blob }: PublicKeyOffer, ground: AuthenticateGround): Holder {
  if (!algorithm.includes('-cert-v01@')) throw plainKey();
  const { authorities, clusterName, now } = ground;
  if (parseSshCertificate(blob).type === 'host') {
    const host = readHostCertificate(blob, {
      authorities: authorities('host'),
      clusterName,
      now,
      roles: MEMBERS,
    });
    if (host.identity.host_id !== user) {
      throw refuseCertificate(
        'principal-not-listed',
        'a member of the cluster connects with its host id as user name',
      );
    }
    return { is: 'host', ...host };
  }
  const { identity, grant } = readPerson({ algorithm, blob }, ground);
  return { is: 'user', identity, validBefore: grant.certificate.validBefore };
}

export interface Person {
  readonly identity: UserIdentity;
  readonly grant: SshGrant;
}

/** The same for a connection that only people make. The login is not compared here, so that a wrong one can be explained. */
export function readPerson(
  { algorithm, blob }: Pick<PublicKeyOffer, 'algorithm' | 'blob'>,
  { authorities, now, remoteIp }: AuthenticateGround,
): Person {
  if (!algorithm.includes('-cert-v01@')) throw plainKey();
  const grant = verifySshCertificate(blob, {
    type: 'user',
    authorities: authorities('user'),
    principal: null,
    now,
    sourceAddress: remoteIp,
  });
  const { extensions } = grant.certificate;
  if (extensions.has(RELAY_NODE_EXTENSION)) {
    throw refuseCertificate('identity', 'this certificate was made for a proxy, to go to one server with it');
  }
  if (!extensions.has(SSH_IDENTITY_EXTENSION)) {
    throw new GatehouseError(
      'NOT_SUPPORTED',
      'this certificate was made in the oldssh format, which carries no identity; get one in the standard format',
    );
  }
  const identity = readSshIdentity(extensions);
  if (identity.kind !== 'user') throw refuseCertificate('identity', 'the certificate is not of a user');
  return { identity, grant };
}

const plainKey = (): GatehouseError =>
  refuseCertificate(
    'wrong-type',
    'a certificate of the cluster is needed, not a plain key: log in with `gate login`',
  );

/** `read`, but not twice in a row for the very same offer: a client shows its certificate once to ask and once to prove. */
export function readOnce<T>(read: (offer: PublicKeyOffer) => T): (offer: PublicKeyOffer) => T {
  let last: { readonly offer: PublicKeyOffer; readonly answer: T } | undefined;
  return (offer) => {
    if (last !== undefined && isSame(last.offer, offer)) return last.answer;
    last = undefined;
    const answer = read(offer);
    last = { offer, answer };
    return answer;
  };
}

const isSame = (one: PublicKeyOffer, other: PublicKeyOffer): boolean =>
  one.user === other.user && one.algorithm === other.algorithm && Buffer.compare(one.blob, other.blob) === 0;
