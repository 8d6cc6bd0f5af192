// A session in a browser: of the web page of the proxy, or of one application that was launched from there. Its name is
// half of the cookie; of the other half only a hash is kept, so that neither the name nor the store opens anything.
import { defineKind } from '#core/kind.ts';
import { resourceName, type Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';

/** `launch`: a code that becomes a session of an application, once. */
export const WEB_SESSION_TYPES = ['web', 'app', 'launch'] as const;

const spec = s.object({
  type: s.enumOf(WEB_SESSION_TYPES),
  user: s.string({ format: resourceName, description: 'Whose session it is.' }),
  created: s.timestamp(),
  address: s.optional(s.string({ maxLength: 64, description: 'Where it was begun.' })),
  app: s.optional(s.string({ maxLength: 63, description: 'The application.' })),
  aws_role: s.optional(s.string({ maxLength: 2048, description: 'The role of AWS that is taken there.' })),
  parent: s.optional(s.string({ maxLength: 64, description: 'The session of the web it was made from.' })),
  secret_hash: s.optional(
    s.string({
      minLength: 1,
      maxLength: 64,
      secret: true,
      description: 'SHA-256 of the other half of the cookie, or of what the browser holds for a launch.',
    }),
  ),
  identity: s.optional(
    s.string({ maxLength: 65_536, secret: true, description: 'Of a session of the web, as JSON.' }),
  ),
  certificate: s.optional(
    s.string({
      maxLength: 32_768,
      secret: true,
      description: 'Of a session of an application, base64 of DER.',
    }),
  ),
});

export type WebSessionSpec = s.Infer<typeof spec>;

export const webSessionKind = defineKind<WebSessionSpec>({
  name: 'web_session',
  audience: 'presence',
  description: 'A session of somebody in a browser. Removing it logs them out there.',
  versions: ['v2'],
  spec,
  columns: [
    { title: 'ID', value: (session) => session.metadata.name },
    { title: 'Type', value: (session) => session.spec.type },
    { title: 'User', value: (session) => session.spec.user },
    { title: 'Application', value: (session) => session.spec.app ?? '' },
    { title: 'Address', value: (session) => session.spec.address ?? '' },
    { title: 'Created', value: (session) => session.spec.created },
    { title: 'Expires', value: (session) => session.metadata.expires ?? '' },
  ],
  check,
});

const NAME = /^[0-9a-f]{32}(?:[0-9a-f]{32})?$/;

function check({ metadata }: Resource<WebSessionSpec>): readonly Problem[] {
  const problems: Problem[] = [];
  if (!NAME.test(metadata.name)) {
    problems.push({ path: ['metadata', 'name'], message: 'must be 32 or 64 hexadecimal digits' });
  }
  if (metadata.expires === undefined) {
    problems.push({
      path: ['metadata', 'expires'],
      message: 'is required: a session must not last for ever',
    });
  }
  return problems;
}
