// The join method `token`: a shared secret, from the configuration file or made by `gatectl tokens add`.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { SystemRole } from '#core/identity.ts';
import { safeTokenName } from '#kinds/token/kind.ts';
import type { JoinContext, JoinMethod, JoinProof, JoinRefusal, JoinVerdict } from '../method.ts';

interface Candidate {
  readonly name: string;
  readonly roles: readonly SystemRole[];
  readonly expires: number;
}

export const tokenMethod: JoinMethod = {
  name: 'token',
  verify(proof, roles, context) {
    const found = findToken(proof, context);
    if (found === undefined) return refuse('unknown');
    if (found.expires <= context.now) return refuse('expired');
    if (roles.length === 0 || !roles.every((role) => found.roles.includes(role))) return refuse('role');
    return { ok: true, roles, tokenName: found.name };
  },
};

/** Compares with every token, so that the time taken tells nothing about which one came close. */
function findToken(proof: JoinProof, context: JoinContext): Candidate | undefined {
  const given = digest(proof.token);
  let found: Candidate | undefined;
  for (const { token, roles } of context.staticTokens) {
    if (timingSafeEqual(given, digest(token))) found = { name: 'static', roles, expires: Infinity };
  }
  for (const resource of context.tokens()) {
    const isThis = timingSafeEqual(given, digest(resource.metadata.name));
    if (isThis && resource.spec.join_method === 'token') {
      const expires = resource.metadata.expires;
      found = {
        name: safeTokenName(resource.metadata.name),
        roles: resource.spec.roles,
        expires: expires === undefined ? Infinity : Date.parse(expires),
      };
    }
  }
  return found;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
const refuse = (refusal: JoinRefusal): JoinVerdict => ({ ok: false, refusal });
