// Signatures against the SDK's own signer.
import { createHash, createHmac, type BinaryLike, type Hash, type Hmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../secret.ts';
import { decoded, EMPTY_PAYLOAD_HASH, hashOf, queryPairs, splitTarget } from './canonical.ts';
import { presignRequest, signRequest, type SigningCredentials } from './sigv4.ts';

const DATE = Date.parse('2015-08-30T12:36:00Z');
const KEYS: SigningCredentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'),
};
const TEMPORARY: SigningCredentials = { ...KEYS, sessionToken: new Secret('token/with+chars==') };

/** The hash the SDK wants. */
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

function theirs(service: string, credentials: SigningCredentials): SignatureV4 {
  return new SignatureV4({
    service,
    region: 'eu-central-1',
    credentials: {
      accessKeyId: credentials.accessKeyId,
      secretAccessKey: credentials.secretAccessKey.reveal(),
      ...(credentials.sessionToken === undefined ? {} : { sessionToken: credentials.sessionToken.reveal() }),
    },
    sha256: Sha256 as never,
    uriEscapePath: service !== 's3',
  });
}

function requestOf(target: string): {
  method: string;
  protocol: string;
  hostname: string;
  path: string;
  query: Record<string, string[]>;
  headers: Record<string, string>;
} {
  const { path, query } = splitTarget(target);
  const parameters: Record<string, string[]> = {};
  for (const [name, value] of queryPairs(query)) {
    const key = decoded(name);
    parameters[key] = [...(parameters[key] ?? []), decoded(value ?? '')];
  }
  return {
    method: 'POST',
    protocol: 'https:',
    hostname: 'x.amazonaws.com',
    path,
    query: parameters,
    headers: { host: 'x.amazonaws.com', 'content-type': 'a/b;  c', 'X-Amz-Target': ' Some.Thing ' },
  };
}

function signatureIn(text: string | undefined): string | undefined {
  return /Signature=([0-9a-f]+)/.exec(text ?? '')?.[1];
}

const segment = fc
  .string({ unit: 'binary', maxLength: 6 })
  .map((text) =>
    encodeURIComponent(text.toWellFormed()).replace(
      /[!'()*]/g,
      (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
    ),
  );
const parameter = fc.tuple(segment, segment).map(([name, value]) => `k${name}=${value}`);
const targets = fc
  .tuple(fc.array(segment, { maxLength: 4 }), fc.array(parameter, { maxLength: 4 }))
  .map(([path, query]) => `/${path.join('/')}${query.length === 0 ? '' : `?${query.join('&')}`}`);

describe('signRequest', () => {
  it('ok: the form of the Authorization header', () => {
    const signed = signRequest(
      { method: 'GET', target: '/', headers: [['Host', 'example.amazonaws.com']] },
      KEYS,
      { service: 'service', region: 'us-east-1', date: DATE, payload: EMPTY_PAYLOAD_HASH },
    );
    expect(signed.headers.at(-1)?.[1]).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
    );
  });

  it('ok: the same signature as the SDK for any path, query and service', async () => {
    await fc.assert(
      fc.asyncProperty(
        targets,
        fc.constantFrom('s3', 'dynamodb'),
        fc.constantFrom(KEYS, TEMPORARY),
        async (target, service, credentials) => {
          const request = requestOf(target);
          const expected = await theirs(service, credentials).sign(
            { ...request, body: 'hello' },
            { signingDate: new Date(DATE) },
          );
          const signed = signRequest(
            { method: 'POST', target, headers: Object.entries(request.headers) },
            credentials,
            { service, region: 'eu-central-1', date: DATE, payload: hashOf('hello') },
          );
          expect(signatureIn(signed.headers.at(-1)?.[1])).toBe(
            signatureIn(expected.headers['authorization']),
          );
        },
      ),
      { numRuns: 300 },
    );
  });

  it('ok: a former signature is replaced, and its token does not stay', () => {
    const once = signRequest(
      { method: 'GET', target: '/a%2fb?x=1&uploads', headers: [['host', 'h']] },
      TEMPORARY,
      { service: 's3', region: 'r', date: DATE, payload: 'UNSIGNED-PAYLOAD' },
    );
    const twice = signRequest(once, KEYS, {
      service: 's3',
      region: 'r',
      date: DATE,
      payload: 'UNSIGNED-PAYLOAD',
    });
    expect(twice.headers.map(([name]) => name)).toEqual([
      'host',
      'X-Amz-Date',
      'X-Amz-Content-Sha256',
      'Authorization',
    ]);
    expect(twice.target).toBe('/a%2Fb?x=1&uploads');
  });

  it('refuses: requests that no signer makes', () => {
    const options = { service: 's3', region: 'r', date: DATE, payload: 'UNSIGNED-PAYLOAD' };
    for (const [target, headers] of [
      ['http://other/', [['host', 'h']]],
      ['/a b', [['host', 'h']]],
      ['/é', [['host', 'h']]],
      ['/', []],
    ] as const)
      expect(() => signRequest({ method: 'GET', target, headers }, KEYS, options)).toThrow(
        expect.objectContaining({ code: 'BAD_REQUEST' }),
      );
    expect(() =>
      signRequest({ method: 'G T', target: '/', headers: [['host', 'h']] }, KEYS, options),
    ).toThrow('method');
  });
});

describe('presignRequest', () => {
  it('ok: the same signature as the SDK', async () => {
    await fc.assert(
      fc.asyncProperty(targets, fc.constantFrom(KEYS, TEMPORARY), async (target, credentials) => {
        const request = { ...requestOf(target), method: 'GET', headers: { host: 'x.amazonaws.com' } };
        const expected = await theirs('s3', credentials).presign(request, {
          signingDate: new Date(DATE),
          expiresIn: 900,
        });
        const signed = presignRequest(
          { method: 'GET', target, headers: [['Host', 'x.amazonaws.com']] },
          credentials,
          { service: 's3', region: 'eu-central-1', date: DATE, expires: 900, payload: EMPTY_PAYLOAD_HASH },
        );
        const parameters = new Map(queryPairs(splitTarget(signed.target).query));
        expect(parameters.get('X-Amz-Signature')).toBe(expected.query?.['X-Amz-Signature']);
      }),
      { numRuns: 200 },
    );
  });

  it('refuses: a life that is none', () => {
    for (const expires of [0, -1, 1.5, 604_801])
      expect(() =>
        presignRequest({ method: 'GET', target: '/', headers: [['host', 'h']] }, KEYS, {
          service: 's3',
          region: 'r',
          date: DATE,
          expires,
          payload: 'UNSIGNED-PAYLOAD',
        }),
      ).toThrow('X-Amz-Expires');
  });
});
