// Plain temporary credentials for programs that can use no proxy (`gate aws credential-process`). They work without this
// agent until they end, so only applications that say so give them, and never beyond the certificate.
import type { ServerResponse } from 'node:http';
import { headerOf, type AwsRequest } from '#core/aws/canonical.ts';
import { DIRECT_CREDENTIALS_HEADER, type DirectCredentials } from '#core/aws/direct-credentials.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Visit } from './visit.ts';

/** Throws ACCESS_DENIED where the application does not allow it, BAD_REQUEST for anything but `gate`. */
export async function giveCredentials(
  visit: Visit,
  asked: AwsRequest,
  response: ServerResponse,
): Promise<void> {
  const { metadata, spec } = visit.app;
  if (asked.method !== 'POST' || headerOf(asked.headers, DIRECT_CREDENTIALS_HEADER) === undefined)
    throw new GatehouseError('BAD_REQUEST', 'credentials are only for `gate aws credential-process`');
  if (visit.connection.session !== undefined)
    throw new GatehouseError('ACCESS_DENIED', 'a web session gets no credentials; use `gate apps login`');
  if (spec.aws?.direct_credentials !== true)
    throw new GatehouseError(
      'ACCESS_DENIED',
      `application ${metadata.name} gives no credentials to programs; use \`gate aws\` or \`gate proxy aws\`, ` +
        'or have an admin set aws.direct_credentials on it',
    );
  const { accessKeyId, secretAccessKey, sessionToken, expires } = await visit.ownCredentials();
  const end = Math.min(expires ?? visit.connection.validBefore, visit.connection.validBefore);
  const given: DirectCredentials = {
    Version: 1,
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey.reveal(),
    ...(sessionToken === undefined ? {} : { SessionToken: sessionToken.reveal() }),
    Expiration: new Date(end).toISOString(),
  };
  visit.record({
    method: 'POST',
    path: asked.target,
    raw_query: '',
    status_code: 200,
    aws_service: 'sts',
    aws_action: 'GiveCredentials',
  });
  const text = JSON.stringify(given);
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'cache-control': 'no-store',
    })
    .end(text);
}
