// Errors of ours in the form that the client of an AWS service reads: XML of S3, of the query protocol or of EC2, JSON, or
// CBOR. Without it a person sees "could not parse response" instead of what to do. Pure.
import type { GatehouseError } from '../errors/error.ts';
import { awsNameOf } from './fault.ts';
import { headerOf, type AwsRequest, type HeaderPair } from './canonical.ts';

export interface AwsErrorAnswer {
  readonly status: number;
  readonly headers: readonly HeaderPair[];
  readonly body: Uint8Array;
}

/** `service` is the signing name where it is known; `requestId` is ours, and can be found in the audit log or the log. */
export function awsErrorAnswer(
  error: GatehouseError,
  request: AwsRequest,
  about: { readonly service?: string | undefined; readonly requestId: string },
): AwsErrorAnswer {
  const name = awsNameOf(error);
  const message = messageOf(error);
  const form = formOf(request, about.service);
  const headers: HeaderPair[] = [
    ['x-amzn-requestid', about.requestId],
    ['x-amz-request-id', about.requestId],
    ['x-gatehouse-error', error.code],
    ['cache-control', 'no-store'],
  ];
  if (form.startsWith('json') || form === 'cbor') headers.push(['x-amzn-errortype', name]);
  const { type, body } = bodyOf(form, name, message, about.requestId);
  headers.push(['content-type', type], ['content-length', String(body.length)]);
  return { status: statusOf(error), headers, body: request.method === 'HEAD' ? new Uint8Array() : body };
}

/** 401 becomes 403, as AWS answers; SDKs would ask for other credentials else. Retryable ones stay 429 and 5xx. */
function statusOf(error: GatehouseError): number {
  const { status } = error.info;
  return status === 401 || status === 404 || status === 409 ? 403 : status;
}

function messageOf(error: GatehouseError): string {
  const { id, denialId } = error.details;
  const denial = typeof id === 'string' ? id : denialId;
  const hint = typeof denial === 'string' ? ` (denial ${denial}: gatectl explain ${denial})` : '';
  return `Gatehouse: ${error.message}${error.message.includes(String(denial)) ? '' : hint}`;
}

type Form = 's3' | 'query' | 'ec2' | 'json' | 'cbor';

function formOf(request: AwsRequest, service: string | undefined): Form {
  const type = headerOf(request.headers, 'content-type') ?? '';
  if (headerOf(request.headers, 'smithy-protocol') === 'rpc-v2-cbor') return 'cbor';
  if (type.startsWith('application/x-amz-json') || headerOf(request.headers, 'x-amz-target') !== undefined)
    return 'json';
  if (service === 'ec2') return 'ec2';
  if (service?.startsWith('s3') === true) return 's3';
  if (type.startsWith('application/x-www-form-urlencoded') || /[?&]Action=/.test(request.target))
    return 'query';
  return service === 'route53' || service === 'cloudfront' ? 'query' : 'json';
}

function bodyOf(
  form: Form,
  name: string,
  message: string,
  requestId: string,
): { readonly type: string; readonly body: Uint8Array } {
  const text = xml(message);
  switch (form) {
    case 's3':
      return {
        type: 'application/xml',
        body: xmlBody(
          `<Error><Code>${name}</Code><Message>${text}</Message><RequestId>${requestId}</RequestId></Error>`,
        ),
      };
    case 'ec2':
      return {
        type: 'text/xml',
        body: xmlBody(
          `<Response><Errors><Error><Code>${name}</Code><Message>${text}</Message></Error></Errors>` +
            `<RequestID>${requestId}</RequestID></Response>`,
        ),
      };
    case 'query':
      return {
        type: 'text/xml',
        body: xmlBody(
          `<ErrorResponse><Error><Type>Sender</Type><Code>${name}</Code><Message>${text}</Message></Error>` +
            `<RequestId>${requestId}</RequestId></ErrorResponse>`,
        ),
      };
    case 'cbor':
      return { type: 'application/cbor', body: cborMap({ __type: name, message }) };
    default:
      return {
        type: 'application/json',
        body: Buffer.from(JSON.stringify({ __type: name, message, Message: message })),
      };
  }
}

function xmlBody(text: string): Uint8Array {
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}`);
}

function xml(text: string): string {
  const names: Readonly<Record<string, string>> = {
    '&': 'amp',
    '<': 'lt',
    '>': 'gt',
    '"': 'quot',
    "'": 'apos',
  };
  return text.replace(/[&<>"']/g, (char) => `&${names[char] ?? ''};`);
}

function cborMap(pairs: Readonly<Record<string, string>>): Uint8Array {
  const entries = Object.entries(pairs);
  const parts = entries.flatMap(([name, value]) => [cborText(name), cborText(value)]);
  return Buffer.concat([Buffer.from([0xa0 + entries.length]), ...parts]);
}

function cborText(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8').subarray(0, 0xffff);
  const head = Buffer.alloc(3);
  head.writeUInt8(0x79);
  head.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
