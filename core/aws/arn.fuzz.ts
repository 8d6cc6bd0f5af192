// Fuzz target: ARNs of roles. What is read must be the same when it is put together again.
import { parseRoleArn } from './arn.ts';

const arns = [
  'arn:aws:iam::123456789012:role/ExampleReadOnlyAccess',
  'arn:aws-cn:iam::123456789012:role/a/b/c',
];

export const fuzz = {
  name: 'ARNs of roles',
  seeds: arns.map((arn) => new Uint8Array(Buffer.from(arn))),
  run(input: Uint8Array): void {
    const text = Buffer.from(input).toString('utf8');
    const role = parseRoleArn(text);
    if (role === undefined) return;
    if (`arn:${role.partition.id}:iam::${role.accountId}:role${role.path}${role.name}` !== text)
      throw new Error('the role was not read as written');
  },
};
