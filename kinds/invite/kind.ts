// A one-use link for a user to set a password and a second factor. Only the hash of the link's token is kept, and it
// is the name, so that a token from outside is looked up without scanning and a leaked store opens no account.
import { defineKind } from '#core/kind.ts';
import { resourceName, type Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

const SHA256_HEX = /^[0-9a-f]{64}$/;

const spec = s.object({
  user: s.string({ format: resourceName, description: 'The user it is for.' }),
  purpose: s.enumOf(['invite', 'reset'], {
    description: 'A new account, or new credentials for an old one.',
  }),
  created: s.timestamp(),
  created_by: s.optional(s.string({ maxLength: 253 })),
  totp_secret: s.optional(
    s.string({
      minLength: 1,
      maxLength: 256,
      secret: true,
      description: 'Offered to the user, not yet proven.',
    }),
  ),
});

export type InviteSpec = s.Infer<typeof spec>;

export const inviteKind = defineKind<InviteSpec>({
  name: 'invite',
  audience: 'internal',
  description: 'A pending link for setting credentials; named by the SHA-256 of its token, in hex.',
  versions: ['v1'],
  spec,
  columns: [
    { title: 'User', value: (invite) => invite.spec.user },
    { title: 'Purpose', value: (invite) => invite.spec.purpose },
    { title: 'Expires', value: (invite) => invite.metadata.expires ?? '' },
  ],
  check: checkInvite,
});

function checkInvite(invite: Resource<InviteSpec>): Problem[] {
  const problems: Problem[] = [];
  if (!SHA256_HEX.test(invite.metadata.name)) {
    problems.push({ path: ['metadata', 'name'], message: 'must be a SHA-256 in hex' });
  }
  if (invite.metadata.expires === undefined) {
    problems.push({
      path: ['metadata', 'expires'],
      message: 'is required: an invite must not last for ever',
    });
  }
  return problems;
}
