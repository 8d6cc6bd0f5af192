// What a request does, for the audit log: the name AWS gives the call, where the protocol says it, else nothing (method and
// path say it for S3 and REST). Reads a copy of the first bytes of a form; never holds a body back.
import { headerOf, type AwsRequest } from '#core/aws/canonical.ts';

const MAX_FORM = 4096;
const NAME = /^[A-Za-z0-9_.#/-]{1,128}$/;

/** Undefined when only a form's body could say it, or nothing does. */
export function actionOf(request: AwsRequest): string | undefined {
  const target = headerOf(request.headers, 'x-amz-target');
  if (target !== undefined) return named(target.slice(target.lastIndexOf('.') + 1));
  const rpc = /^\/service\/[^/?]{1,128}\/operation\/([^/?]{1,128})$/.exec(request.target);
  if (rpc !== null) return named(rpc[1] ?? '');
  return named(/[?&]Action=([^&]*)/.exec(request.target)?.[1] ?? '');
}

/** The action in the first bytes of a form, such as `Action=DescribeInstances&Version=…`. */
export function actionInForm(first: Uint8Array): string | undefined {
  const text = Buffer.from(first.buffer, first.byteOffset, Math.min(first.length, MAX_FORM)).toString(
    'latin1',
  );
  return named(/(?:^|&)Action=([^&]*)/.exec(text)?.[1] ?? '');
}

export function isForm(request: AwsRequest): boolean {
  return headerOf(request.headers, 'content-type')?.startsWith('application/x-www-form-urlencoded') === true;
}

function named(text: string): string | undefined {
  return NAME.test(text) ? text : undefined;
}
