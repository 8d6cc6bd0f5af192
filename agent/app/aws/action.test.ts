import { expect, it } from 'vitest';
import { actionInForm, actionOf } from './action.ts';

const asked = (target: string, headers: readonly (readonly [string, string])[] = []) => ({
  method: 'POST',
  target,
  headers,
});

it('ok: by target, by address, by RPC; nothing where method and path say it', () => {
  expect(actionOf(asked('/', [['X-Amz-Target', 'DynamoDB_20120810.PutItem']]))).toBe('PutItem');
  expect(actionOf(asked('/?Version=1&Action=GetCallerIdentity'))).toBe('GetCallerIdentity');
  expect(actionOf(asked('/service/GraniteServiceVersion20100801/operation/PutMetricData'))).toBe(
    'PutMetricData',
  );
  expect(actionOf(asked('/bucket/key?Actions=1'))).toBeUndefined();
});

it('ok: in the first bytes of a form, which need not be the beginning', () => {
  expect(actionInForm(Buffer.from('Version=1&Action=AssumeRole'))).toBe('AssumeRole');
  expect(actionInForm(Buffer.from('xAction=AssumeRole'))).toBeUndefined();
});

it('refuses: names that are none', () => {
  expect(actionOf(asked('/', [['x-amz-target', 'a<b>']]))).toBeUndefined();
  expect(actionInForm(Buffer.from(`Action=${'x'.repeat(200)}`))).toBeUndefined();
});
