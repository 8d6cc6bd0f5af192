// How `gate aws credential-process` asks an agent for credentials of its own, instead of having requests signed: a path and
// a header on the road to an AWS application, which no API of AWS and no browser uses. Both ends read it here.
import * as s from '../schema/schema.ts';

/** POST, over a connection that shows a certificate. */
export const DIRECT_CREDENTIALS_PATH = '/.gatehouse/aws/credentials';
/** Must be there, so that no page can ask in a person's name. */
export const DIRECT_CREDENTIALS_HEADER = 'x-gatehouse-direct-credentials';

/** As programs read it from `credential_process`. Expiration is no later than the certificate's end. */
export const directCredentials = s.object({
  Version: s.integer(),
  AccessKeyId: s.string(),
  SecretAccessKey: s.string(),
  SessionToken: s.optional(s.string()),
  Expiration: s.string(),
});
export type DirectCredentials = s.Infer<typeof directCredentials>;
