import { describe, expect, it } from 'vitest';
import { readRelayScope, writeRelayScope, type RelayScope } from './relay.ts';

const scope: RelayScope = {
  algorithm: 'AWS4-HMAC-SHA256',
  service: 's3',
  region: 'us-east-1',
  payload: 'UNSIGNED-PAYLOAD',
};

describe('the scope of a relayed AWS request', () => {
  it.each<RelayScope>([
    scope,
    { ...scope, expires: 900 },
    { ...scope, algorithm: 'AWS4-ECDSA-P256-SHA256', region: 'us-east-1,eu-*' },
    { ...scope, payload: 'ab'.repeat(32) },
    { ...scope, payload: 'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER' },
  ])('ok: round trip %#', (one) => {
    expect(readRelayScope(writeRelayScope(one))).toEqual(one);
  });

  it.each([
    '',
    'x',
    'algorithm=AWS4-HMAC-SHA256;service=s3;region=us-east-1',
    `${writeRelayScope(scope)};service=sts`,
    `${writeRelayScope(scope)};host=x`,
    `${writeRelayScope(scope)};expires=0`,
    `${writeRelayScope(scope)};expires=9999999`,
    writeRelayScope({ ...scope, region: 'a b' }),
    writeRelayScope({ ...scope, service: '../x' }),
    writeRelayScope({ ...scope, payload: 'x\r\ny' }),
    'a=b;'.repeat(400),
  ])('refuses: %#', (text) => {
    expect(() => readRelayScope(text)).toThrow(/malformed/);
  });
});
