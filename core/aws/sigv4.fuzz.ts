// Fuzz target: signatures of requests. What is read must not fail but by our errors; what is signed must be verified.
import { Secret } from '../secret.ts';
import type { AwsRequest, HeaderPair } from './canonical.ts';
import { readSignature } from './sigv4-read.ts';
import { verifyRequest } from './sigv4-verify.ts';
import { signRequest } from './sigv4.ts';

const KEYS = { accessKeyId: 'K', secretAccessKey: new Secret('s') };
const DATE = Date.parse('2026-11-21T00:00:00Z');

/** First line `METHOD target`, then headers. */
function requestOf(text: string): AwsRequest {
  const [first = '', ...lines] = text.split('\n');
  const space = first.indexOf(' ');
  const headers = lines.map((line): HeaderPair => {
    const colon = line.indexOf(':');
    return [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1)];
  });
  return { method: first.slice(0, Math.max(space, 0)), target: first.slice(space + 1), headers };
}

export const fuzz = {
  name: 'aws signature',
  seeds: [
    'GET /a/../b//c%2f%7E?x=%zz&y&z=1+2\nhost:h\nX-Amz-Date:20261121T000000Z',
    'PUT /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=K%2F20261121%2Fr%2Fs3%2Faws4_request&X-Amz-Date=20261121T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=0123456789abcdef\nhost:h',
    'POST /\nhost:h\nx-amz-date:20261121T000000Z\nauthorization:AWS4-ECDSA-P256-SHA256 Credential=K/20261121/s3/aws4_request, SignedHeaders=host, Signature=0123456789abcdef\nx-amz-region-set:*',
  ].map((text) => new Uint8Array(Buffer.from(text))),
  run(input: Uint8Array): void {
    const request = requestOf(Buffer.from(input).toString('latin1'));
    const service = input.length % 2 === 0 ? 's3' : 'ec2';
    const bare = { ...request, headers: [...request.headers.filter(isFree), ['host', 'h'] as const] };
    const signed = signRequest(bare, KEYS, { service, region: 'r', date: DATE, payload: 'UNSIGNED-PAYLOAD' });
    if (!/[?&]x-amz-/i.test(request.target)) verifyRequest(signed, { now: DATE, credentialsOf: () => KEYS });
    readSignature(request);
  },
};

function isFree([name]: HeaderPair): boolean {
  return /^[a-z-]+$/i.test(name) && !/^(?:host|authorization)$/i.test(name);
}
