// Errors that an AWS client will read: ours, with the name that AWS gives to such a failure. Apart because signer,
// local proxy and agent make them, and error-answer.ts writes them in the form of each protocol.
import type { Code } from '../errors/codes.ts';
import { GatehouseError } from '../errors/error.ts';

/** `aws` is the error code that SDKs know, such as `SignatureDoesNotMatch`; it becomes `details.aws`. */
export function awsFault(
  code: Code,
  aws: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): GatehouseError {
  return new GatehouseError(code, message, { details: { ...details, aws } });
}

/** The AWS name of an error, `AccessDenied` and the like where it does not say one. */
export function awsNameOf(error: GatehouseError): string {
  const { aws } = error.details;
  if (typeof aws === 'string' && /^[A-Za-z.]{1,64}$/.test(aws)) return aws;
  if (error.info.status === 403 || error.code === 'NOT_FOUND') return 'AccessDenied';
  if (error.info.status === 401) return 'UnrecognizedClientException';
  if (error.code === 'LIMIT_EXCEEDED') return 'SlowDown';
  if (error.code === 'NOT_SUPPORTED') return 'NotImplemented';
  return error.info.status >= 500 ? 'ServiceUnavailable' : 'InvalidRequest';
}
