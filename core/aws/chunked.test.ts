// aws-chunked: the published example, round trips in any cut, and bodies that are not whole.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Secret } from '../secret.ts';
import type { HeaderPair } from './canonical.ts';
import { CHUNK_BYTES, encodedLength, openChunkedEncoder } from './chunked-encode.ts';
import { openChunkedDecoder, type DecoderOptions } from './chunked.ts';
import { textSigner, type SigningAlgorithm, type SigningCredentials } from './sigv4.ts';
import { ecdsaKeyOf, verifyEcdsa } from './sigv4a.ts';

const KEYS: SigningCredentials = {
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'),
};
const SIGNING = {
  scope: { algorithm: 'AWS4-HMAC-SHA256' as SigningAlgorithm, region: 'us-east-1', service: 's3' },
  amzDate: '20130524T000000Z',
  seed: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
};

function checkOf(algorithm: SigningAlgorithm): (text: string, signature: string) => boolean {
  if (algorithm === 'AWS4-HMAC-SHA256') {
    const sign = textSigner(KEYS, SIGNING.scope, SIGNING.amzDate);
    return (text, signature) => sign(text) === signature;
  }
  const key = ecdsaKeyOf(KEYS);
  return (text, signature) => verifyEcdsa(text, key, signature);
}

function decode(
  bytes: Uint8Array,
  options: DecoderOptions,
  cut = 7,
): { data: string; trailers: readonly HeaderPair[] } {
  const decoder = openChunkedDecoder(options);
  const out: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += cut) out.push(...decoder.push(bytes.subarray(at, at + cut)));
  decoder.end();
  return { data: Buffer.concat(out).toString('latin1'), trailers: decoder.trailers };
}

describe('aws-chunked', () => {
  it('ok: the signatures of the published example', () => {
    const encoder = openChunkedEncoder({ trailer: false, sign: { ...SIGNING, credentials: KEYS } });
    const body = Buffer.concat([...encoder.push(Buffer.alloc(66_560, 'a')), ...encoder.end([])]).toString();
    expect(
      [...body.matchAll(/(?:^|\r\n)([0-9a-f]{1,6});chunk-signature=([0-9a-f]{64})/g)].map((m) => m.slice(1)),
    ).toEqual([
      ['10000', 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648'],
      ['400', '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497'],
      ['0', 'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9'],
    ]);
    expect(body.length).toBe(encodedLength(66_560, true));
  });

  it('ok: what is encoded is decoded, in any cut, by both algorithms and unsigned', () => {
    const trailers: HeaderPair[] = [['x-amz-checksum-crc32', 'AAAAAA==']];
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme-ascii', maxLength: 200 }),
        fc.integer({ min: 1, max: 99 }),
        fc.constantFrom<SigningAlgorithm | undefined>(
          'AWS4-HMAC-SHA256',
          'AWS4-ECDSA-P256-SHA256',
          undefined,
        ),
        fc.boolean(),
        (text, cut, algorithm, trailer) => {
          const signing = algorithm && { ...SIGNING, scope: { ...SIGNING.scope, algorithm } };
          const encoder = openChunkedEncoder({
            trailer,
            ...(signing && { sign: { ...signing, credentials: KEYS } }),
          });
          const sent = trailer ? trailers : [];
          const bytes = Buffer.concat([...encoder.push(Buffer.from(text)), ...encoder.end(sent)]);
          const options: DecoderOptions = {
            signed: signing !== undefined,
            trailer,
            length: text.length,
            ...(signing && algorithm && { verify: { ...signing, check: checkOf(algorithm) } }),
          };
          expect(decode(bytes, options, cut)).toEqual({ data: text, trailers: sent });
          if (algorithm !== 'AWS4-ECDSA-P256-SHA256' && !trailer)
            expect(bytes.length).toBe(encodedLength(text.length, signing !== undefined));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('ok: many chunks, and none', () => {
    for (const length of [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES]) {
      const encoder = openChunkedEncoder({ trailer: false, sign: { ...SIGNING, credentials: KEYS } });
      const bytes = Buffer.concat([...encoder.push(Buffer.alloc(length, 'b')), ...encoder.end([])]);
      expect(bytes.length).toBe(encodedLength(length, true));
      const verify = { ...SIGNING, check: checkOf('AWS4-HMAC-SHA256') };
      expect(decode(bytes, { signed: true, trailer: false, verify }, 30_000).data.length).toBe(length);
    }
  });

  it('refuses: a body that was changed, cut, or went on', () => {
    const encoder = openChunkedEncoder({ trailer: true, sign: { ...SIGNING, credentials: KEYS } });
    const body = Buffer.concat([
      ...encoder.push(Buffer.from('hello')),
      ...encoder.end([['x-amz-checksum-sha1', 'abc=']]),
    ]).toString();
    const verify = { ...SIGNING, check: checkOf('AWS4-HMAC-SHA256') };
    const options = { signed: true, trailer: true, verify };
    expect(decode(Buffer.from(body), options).data).toBe('hello');
    for (const [text, message] of [
      [body.replace('hello', 'hullo'), 'chunk does not match'],
      [body.replace('abc=', 'abd='), 'chunk does not match'],
      [body.slice(0, -2), 'before its last'],
      [`${body}x`, 'more after'],
      [body.replace('hello', 'hello!'), 'longer than its size'],
      [body.replace(/x-amz-trailer-signature.*\r\n/, ''), 'before its last'],
      [`zz;${body}`, 'begin with its size'],
      [body.replaceAll(/;chunk-signature=[0-9a-f]+/g, ''), 'not signed'],
    ] as const)
      expect(() => decode(Buffer.from(text), options), message).toThrow(message);
  });

  it('refuses: lines and trailers without end, and another length than was said', () => {
    const unsigned = { signed: false, trailer: true };
    const refused = (text: string, options: DecoderOptions = unsigned): void =>
      expect(() => decode(Buffer.from(text), options, 100)).toThrow('aws-chunked body');
    refused('0'.repeat(600));
    refused(`0\r\n${'a'.repeat(3000)}`);
    refused(`0\r\n${'a:b\r\n'.repeat(17)}`);
    refused(`0\r\n${`a:${'b'.repeat(2000)}\r\n`.repeat(9)}`);
    refused('5\r\nhello\r\n0\r\n\r\n', { ...unsigned, length: 4 });
    refused('5\r\nhello\r\n0\r\n\r\n', { ...unsigned, length: 6 });
    refused('0\r\na:b\r\n\r\n', { signed: false, trailer: false });
    refused('5\nhello\n0\n\n');
  });
});
