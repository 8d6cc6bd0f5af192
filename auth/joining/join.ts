// How a machine becomes a member: a token for a host id, an identity and what to trust.
import { randomUUID } from 'node:crypto';
import type { HostCertificates } from '#core/api/join.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { SystemRole } from '#core/identity.ts';
import { Secret } from '#core/secret.ts';
import type { KubernetesReviews } from '#join/kubernetes/reviews.ts';
import type { StaticToken } from '#join/method.ts';
import { tokenDigest } from '#kinds/token/kind.ts';
import type { Caller } from '../guard/caller.ts';
import type { RateLimit } from '#core/rate-limit.ts';
import type { IssueContext } from '../issue/context.ts';
import { issueHost } from '../issue/host.ts';
import type { KeyTexts } from '../issue/subject-keys.ts';
import { badToken, verifyToken, type TokenVerdict, type Verifying } from './token.ts';

export interface JoinRequest extends KeyTexts {
  readonly method: string;
  readonly token: string;
  readonly id_token?: string | undefined;
  readonly roles: readonly SystemRole[];
  readonly node_name: string;
  readonly addresses: readonly string[];
}

/** The machine of this auth service, where it runs other services in the same process. */
export interface OwnHost extends StaticToken {
  /** Undefined until it has joined. */
  id(): string | undefined;
}

export interface JoinParts {
  /** Tokens of the configuration file. */
  readonly staticTokens: readonly StaticToken[];
  readonly ownHost?: OwnHost | undefined;
  readonly kubernetes: KubernetesReviews;
  /** Failed attempts by address. */
  readonly limit: RateLimit;
}

/**
 * BAD_JOIN_TOKEN for any token that is not good, in the same words whatever is wrong; LIMIT_EXCEEDED after too many
 * of those from one address; BAD_REQUEST for names and keys that are not good, once the token is; UNAVAILABLE when
 * somebody who must be asked does not answer.
 */
export async function joinHost(
  context: IssueContext,
  parts: JoinParts,
  caller: Pick<Caller, 'address'>,
  request: JoinRequest,
): Promise<HostCertificates> {
  const { address } = caller;
  if (!parts.limit.take(address)) {
    throw new GatehouseError(
      'LIMIT_EXCEEDED',
      'too many attempts to join from this address; try again later',
    );
  }
  const facts = {
    event: 'instance.join',
    method: request.method,
    roles: request.roles,
    name: request.node_name,
    'addr.remote': address,
  } as const;
  const { ownHost } = parts;
  const staticTokens = ownHost === undefined ? parts.staticTokens : [...parts.staticTokens, ownHost];
  const verdict = await verify(context, { ...parts, staticTokens }, request, facts);
  parts.limit.giveBack(address);
  const hostId = randomUUID();
  const tokenNote = [`token ${verdict.tokenName}`, ...(verdict.who ?? [])];
  const isOwn =
    ownHost !== undefined &&
    request.method === 'token' &&
    tokenDigest(request.token) === tokenDigest(ownHost.token);
  try {
    const certificates = await issueHost(context, {
      hostId,
      nodeName: request.node_name,
      roles: verdict.roles,
      addresses: request.addresses,
      keys: request,
      isOwn,
      address,
      method: request.method,
    });
    await context.audit.emitDurably({ ...facts, success: true, host_id: hostId, reasons: tokenNote });
    return certificates;
  } catch (error) {
    const code = isCode(error) ? error.code : 'INTERNAL';
    context.audit.emit({ ...facts, success: false, error: code, reasons: tokenNote });
    throw error;
  }
}

interface JoinFacts {
  readonly event: 'instance.join';
  readonly method: string;
  readonly roles: readonly SystemRole[];
  readonly name: string;
  readonly 'addr.remote': string;
}

/** The verdict that lets in, or an event and an error. */
async function verify(
  context: IssueContext,
  verifying: Verifying,
  request: JoinRequest,
  facts: JoinFacts,
): Promise<Extract<TokenVerdict, { ok: true }>> {
  const { method, token, id_token: idToken } = request;
  const proof = { method, token, ...(idToken === undefined ? {} : { idToken: new Secret(idToken) }) };
  try {
    const verdict = await verifyToken(context, verifying, proof, request.roles);
    if (verdict.ok) return verdict;
    const { refusal, about = [] } = verdict;
    const reasons = about.length === 0 ? {} : { reasons: about };
    context.audit.emit({ ...facts, success: false, error: refusal, ...reasons });
  } catch (error) {
    context.audit.emit({ ...facts, success: false, error: isCode(error) ? error.code : 'INTERNAL' });
    // Its words are for the log of auth: they would tell strangers who vouches for whom.
    if (!isCode(error, 'UNAVAILABLE')) throw error;
    throw new GatehouseError('UNAVAILABLE', 'the proof cannot be checked at the moment; try again later');
  }
  throw badToken();
}
