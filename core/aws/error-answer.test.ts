import { describe, expect, it } from 'vitest';
import { GatehouseError } from '../errors/error.ts';
import type { HeaderPair } from './canonical.ts';
import { awsErrorAnswer } from './error-answer.ts';
import { awsFault } from './fault.ts';

const DENIED = new GatehouseError('ACCESS_DENIED', 'no role <lets> you', { details: { id: 'd-1' } });

function answer(
  headers: readonly HeaderPair[],
  service: string,
  target = '/',
  method = 'POST',
): [string, string] {
  const {
    status,
    headers: out,
    body,
  } = awsErrorAnswer(DENIED, { method, target, headers }, { service, requestId: 'r-1' });
  expect(status).toBe(403);
  return [new Map(out).get('content-type') ?? '', Buffer.from(body).toString('latin1')];
}

describe('awsErrorAnswer', () => {
  it('ok: each protocol reads it', () => {
    expect(answer([], 's3')).toEqual([
      'application/xml',
      '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Gatehouse: no role &lt;lets&gt; you ' +
        '(denial d-1: gatectl explain d-1)</Message><RequestId>r-1</RequestId></Error>',
    ]);
    expect(answer([['content-type', 'application/x-amz-json-1.0']], 'dynamodb')[1]).toContain(
      '{"__type":"AccessDenied","message":"Gatehouse: no role <lets> you',
    );
    expect(answer([['Content-Type', 'application/x-www-form-urlencoded']], 'sts')[1]).toContain(
      '<ErrorResponse>',
    );
    expect(answer([], 'sts', '/?Action=GetCallerIdentity')[1]).toContain('<ErrorResponse>');
    expect(answer([['content-type', 'application/x-www-form-urlencoded']], 'ec2')[1]).toContain(
      '<Response><Errors>',
    );
    const cbor = answer([['smithy-protocol', 'rpc-v2-cbor']], 'cloudwatch')[1];
    expect(cbor.startsWith('\u{a2}y\u{0}\u{6}__typey\u{0}\u{c}AccessDenied')).toBe(true);
    expect(answer([], 'lambda')[0]).toBe('application/json');
  });

  it('ok: HEAD has no body but its length', () => {
    expect(answer([], 's3', '/k', 'HEAD')[1]).toBe('');
  });

  it('ok: the name that SDKs know, and 403 where AWS says so', () => {
    const skew = awsFault('INVALID_CREDENTIALS', 'RequestTimeTooSkewed', 'the clock');
    const { status, body } = awsErrorAnswer(
      skew,
      { method: 'GET', target: '/', headers: [] },
      { requestId: 'r' },
    );
    expect([status, Buffer.from(body).toString()]).toEqual([
      403,
      '{"__type":"RequestTimeTooSkewed","message":"Gatehouse: the clock","Message":"Gatehouse: the clock"}',
    ]);
  });
});
