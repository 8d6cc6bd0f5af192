// Verifying what the SDK's signers signed, in each form, and refusing what was changed.
import { createHash, createHmac, type BinaryLike, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import { SignatureV4a } from '@smithy/signature-v4a';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../secret.ts';
import { hashOf, queryPairs, splitTarget, type AwsRequest, type HeaderPair } from './canonical.ts';
import { readSignature, withoutSignature } from './sigv4-read.ts';
import { verifyRequest, type VerifyOptions } from './sigv4-verify.ts';
import { presignRequest, signRequest, type SigningAlgorithm, type SigningCredentials } from './sigv4.ts';

const NOW = Date.parse('2026-11-21T04:31:57Z');
const KEYS: SigningCredentials = { accessKeyId: 'LOCALKEY', secretAccessKey: new Secret('s3cret/+=') };
const OPTIONS: VerifyOptions = {
  now: NOW,
  credentialsOf: (id) => (id === KEYS.accessKeyId ? KEYS : undefined),
};
const ALGORITHMS: readonly SigningAlgorithm[] = ['AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'];

class Sha256 {
  readonly #hash: Hash | Hmac;
  constructor(secret?: unknown) {
    this.#hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as BinaryLike);
  }
  update(data: unknown): void {
    this.#hash.update(data as BinaryLike);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

const SDK = {
  region: 'eu-west-1',
  credentials: { accessKeyId: KEYS.accessKeyId, secretAccessKey: KEYS.secretAccessKey.reveal() },
  sha256: Sha256 as never,
};

const REQUEST = {
  method: 'PUT',
  protocol: 'https:',
  hostname: 'b.s3.amazonaws.com',
  path: '/a%20b/%C3%A9//x',
  query: { partNumber: '1', uploadId: 'a+b/=' },
  headers: { host: 'b.s3.amazonaws.com', 'x-amz-meta-who': 'joe  doe' } as Record<string, string>,
  body: 'hello',
};
const TARGET = '/a%20b/%C3%A9//x?partNumber=1&uploadId=a%2Bb%2F%3D';

function onTheWire(headers: Record<string, string>, target: string): AwsRequest {
  return { method: 'PUT', target, headers: Object.entries(headers) };
}

function changed(request: AwsRequest, change: (headers: HeaderPair[]) => HeaderPair[]): AwsRequest {
  return { ...request, headers: change([...request.headers]) };
}

describe('verifyRequest', () => {
  it('ok: headers signed by the SDK, for S3 and for others', async () => {
    for (const service of ['s3', 'lambda']) {
      const signer = new SignatureV4({ ...SDK, service, uriEscapePath: service !== 's3' });
      const signed = await signer.sign(REQUEST, { signingDate: new Date(NOW) });
      const verified = verifyRequest(onTheWire(signed.headers, TARGET), OPTIONS);
      expect(verified).toMatchObject({
        accessKeyId: 'LOCALKEY',
        scope: { algorithm: 'AWS4-HMAC-SHA256', region: 'eu-west-1', service },
        payload: { kind: 'hash', hash: hashOf('hello') },
      });
    }
  });

  it('ok: SigV4A of the SDK, with its set of regions', async () => {
    const signer = new SignatureV4a({ ...SDK, region: '*', service: 's3', uriEscapePath: false });
    const signed = await signer.sign(REQUEST, { signingDate: new Date(NOW) });
    const verified = verifyRequest(onTheWire(signed.headers, TARGET), OPTIONS);
    expect(verified.scope).toEqual({
      algorithm: 'AWS4-ECDSA-P256-SHA256',
      region: '*',
      service: 's3',
    });
  });

  it('ok: presigned by the SDK, whose body is open for S3', async () => {
    const signer = new SignatureV4({ ...SDK, service: 's3', uriEscapePath: false });
    const { body: _, ...rest } = REQUEST;
    const signed = await signer.presign(
      { ...rest, headers: { host: REQUEST.hostname, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } },
      { signingDate: new Date(NOW), expiresIn: 60, unhoistableHeaders: new Set(['x-amz-content-sha256']) },
    );
    const query = Object.entries(signed.query ?? {})
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
      .join('&');
    const request = onTheWire({ Host: REQUEST.hostname }, `${REQUEST.path}?${query}`);
    const withHash = changed(request, (headers) => [
      ...headers,
      ['x-amz-content-sha256', 'UNSIGNED-PAYLOAD'],
    ]);
    expect(verifyRequest(withHash, OPTIONS)).toMatchObject({
      payload: { kind: 'unsigned' },
      expires: 60,
    });
    expect(() => verifyRequest(withHash, { ...OPTIONS, now: NOW + 61_000 })).toThrow('expired');
  });

  it('ok: what we signed, by both algorithms and forms, for any header and address', () => {
    const segment = fc.webSegment();
    fc.assert(
      fc.property(
        fc.array(segment, { maxLength: 4 }),
        fc.webQueryParameters(),
        fc.constantFrom(...ALGORITHMS),
        fc.constantFrom('s3', 'ec2'),
        fc.boolean(),
        fc.string({ maxLength: 10 }),
        (path, query, algorithm, service, presigned, header) => {
          fc.pre(/^[\x20-\x7e]*$/.test(header));
          const request = onTheWire({ host: 'h', 'X-Amz-Meta-A': header }, `/${path.join('/')}?${query}`);
          const options = { algorithm, service, region: 'eu-west-1', date: NOW, payload: hashOf('x') };
          const signed = presigned
            ? presignRequest(
                { ...request, headers: [...request.headers, ['x-amz-content-sha256', hashOf('x')]] },
                KEYS,
                { ...options, expires: 60 },
              )
            : signRequest(request, KEYS, options);
          expect(verifyRequest(signed, OPTIONS).scope).toEqual({ algorithm, service, region: 'eu-west-1' });
          const bare = withoutSignature(signed);
          const names = bare.headers.map(([name]) => name.toLowerCase());
          expect(names).toEqual(['host', 'x-amz-meta-a', 'x-amz-content-sha256']);
          expect(queryPairs(splitTarget(bare.target).query)).toEqual(queryPairs(query));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('ok: without x-amz-content-sha256 the signature covers the hash of the body', () => {
    const signed = signRequest(onTheWire({ host: 'h' }, '/'), KEYS, {
      service: 'sts',
      region: 'r',
      date: NOW,
      payload: hashOf('x'),
    });
    const verified = verifyRequest(signed, { ...OPTIONS, bodyHash: hashOf('x') });
    expect(verified.payload).toEqual({ kind: 'hash', hash: hashOf('x') });
    const open = { ...signed, headers: signed.headers.filter(([name]) => !name.includes('Sha256')) };
    expect(() => verifyRequest(open, { ...OPTIONS, bodyHash: hashOf('x') })).toThrow('not in the request');
  });
});

describe('verifyRequest refuses', () => {
  const signed = signRequest(onTheWire({ host: 'h', 'x-amz-target': 'T' }, '/p?a=1'), KEYS, {
    service: 'sts',
    region: 'eu-west-1',
    date: NOW,
    payload: hashOf(''),
  });

  function refusal(request: AwsRequest, options: Partial<VerifyOptions> = {}): unknown {
    try {
      verifyRequest(request, { ...OPTIONS, ...options });
      return 'verified';
    } catch (error) {
      return (error as { details: { aws: unknown } }).details.aws;
    }
  }

  it('refuses: anything that was changed', () => {
    expect(refusal(signed)).toBe('verified');
    expect(refusal({ ...signed, method: 'GET' })).toBe('SignatureDoesNotMatch');
    expect(refusal({ ...signed, target: '/p?a=2' })).toBe('SignatureDoesNotMatch');
    expect(refusal({ ...signed, target: '/q?a=1' })).toBe('SignatureDoesNotMatch');
    expect(refusal(changed(signed, (headers) => headers.map(([n, v]) => [n, v === 'T' ? 'U' : v])))).toBe(
      'SignatureDoesNotMatch',
    );
    expect(refusal(changed(signed, (headers) => [...headers, ['host', 'other']]))).toBe(
      'SignatureDoesNotMatch',
    );
  });

  it('refuses: headers for AWS beside the signed ones', () => {
    expect(refusal(changed(signed, (headers) => [...headers, ['X-Amz-Acl', 'public-read']]))).toBe(
      'AccessDenied',
    );
  });

  it('refuses: another clock, and says both times', () => {
    expect(refusal(signed, { now: NOW + 16 * 60_000 })).toBe('RequestTimeTooSkewed');
    expect(refusal(signed, { now: NOW - 16 * 60_000 })).toBe('RequestTimeTooSkewed');
    expect(() => verifyRequest(signed, { ...OPTIONS, now: NOW + 16 * 60_000 })).toThrow(
      '2026-11-21T04:31:57.000Z, and here it is 2026-11-21T04:47:57.000Z',
    );
  });

  it('refuses: unknown keys, no signature, two, and malformed ones', () => {
    expect(refusal(signed, { credentialsOf: () => undefined })).toBe('InvalidClientTokenId');
    expect(refusal(onTheWire({ host: 'h' }, '/'))).toBe('MissingAuthenticationToken');
    expect(refusal({ ...signed, target: '/p?a=1&X-Amz-Algorithm=AWS4-HMAC-SHA256' })).toBe('InvalidRequest');
    for (const text of ['AWS4-HMAC-SHA256 x', 'AWS a:b', 'AWS4-HMAC-SHA256 Credential=a/b', ''])
      expect(
        refusal(onTheWire({ host: 'h', 'x-amz-date': '20261121T043157Z', authorization: text }, '/')),
      ).toBe('IncompleteSignature');
    const noHost = changed(signed, (headers) =>
      headers.map(([n, v]) => [n, n === 'Authorization' ? v.replace('host;', '') : v]),
    );
    expect(refusal(noHost)).toBe('IncompleteSignature');
    expect(() =>
      readSignature(
        changed(signed, (h) =>
          h.map(([n, v]) => [n, v === hashOf('') ? 'STREAMING-AWS4-HMAC-SHA256-EVENTS' : v]),
        ),
      ),
    ).toThrow('event streams');
  });
});
