import { describe, expect, it } from 'vitest';
import { openActionReader } from './action.ts';

type Headers = readonly (readonly [string, string])[];
const FORM: Headers = [['Content-Type', 'application/x-www-form-urlencoded; charset=utf-8']];
const JSON_TARGET: Headers = [
  ['X-Amz-Target', 'DynamoDB_20120810.PutItem'],
  ['Content-Type', 'application/x-amz-json-1.0'],
];

function actionOf(
  target: string,
  headers: Headers = [],
  { service = 'sts', body = [] }: { service?: string; body?: readonly string[] } = {},
): string | undefined {
  const reader = openActionReader({ method: 'POST', target, headers }, service);
  for (const piece of body) reader.push(Buffer.from(piece));
  return reader.action;
}

it('ok: by target, by address, by RPC; nothing where method and path say it', () => {
  expect(actionOf('/', JSON_TARGET, { service: 'dynamodb', body: ['{"a":"&Action=X&"}'] })).toBe('PutItem');
  expect(actionOf('/?Version=1&Action=GetCallerIdentity')).toBe('GetCallerIdentity');
  expect(actionOf('/service/GraniteServiceVersion20100801/operation/PutMetricData')).toBe('PutMetricData');
  expect(actionOf('/bucket/key?Actions=1')).toBeUndefined();
  expect(actionOf('/123456789012/queue?Action=SendMessage', [], { service: 'sqs' })).toBe('SendMessage');
});

it('ok: in a form, wherever it stands and however it is cut', () => {
  expect(actionOf('/', FORM, { body: ['Action=AssumeRole'] })).toBe('AssumeRole');
  expect(actionOf('/', FORM, { body: ['Version=1&Act', 'ion=Assume', 'Role&x=1'] })).toBe('AssumeRole');
  expect(actionOf('/', FORM, { body: [`x=${'y'.repeat(9000)}&`, 'Action=AssumeRole'] })).toBe('AssumeRole');
  expect(actionOf('/', FORM, { body: ['%41ction=AssumeRole'] })).toBe('AssumeRole');
  expect(actionOf('/', FORM, { body: ['xAction=AssumeRole'] })).toBeUndefined();
  // As old clients send it, without saying what it is.
  expect(actionOf('/', [], { body: ['Action=AssumeRole'] })).toBe('AssumeRole');
});

describe('S35 nobody hides a call behind another name', () => {
  const body = ['Action=CreateUser&Action=DeleteUser'];
  it('refuses: one name of several', () => {
    expect(actionOf('/?Action=ListUsers', [...FORM, ['X-Amz-Target', 'A.GetUser']], { body })).toBe(
      'GetUser,ListUsers,CreateUser,DeleteUser',
    );
  });
  it('refuses: names that are no protocol’s', () => {
    expect(actionOf('/bucket/key?Action=ListBuckets', [], { service: 's3' })).toBeUndefined();
    expect(actionOf('/', [['X-Amz-Target', 'A.List']], { service: 's3' })).toBeUndefined();
    expect(actionOf('/2015-03-31/functions?Action=List', JSON_TARGET, { service: 'lambda' })).toBeUndefined();
  });
  it('refuses: a name beside a body that cannot be read', () => {
    const packed: Headers = [...FORM, ['Content-Encoding', 'gzip'], ['X-Amz-Target', 'A.GetUser']];
    expect(actionOf('/?Action=ListUsers', packed, { body: ['...'] })).toBeUndefined();
  });
});

it('refuses: names that are none', () => {
  expect(actionOf('/', [['x-amz-target', 'a<b>']])).toBeUndefined();
  expect(actionOf('/', FORM, { body: [`Action=${'x'.repeat(200)}`] })).toBeUndefined();
});
