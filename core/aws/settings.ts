// The settings by which a target takes a role of AWS, and what is wrong with them. Apart because the kinds and the config
// file hold the same fields.
import { isAccountId, parseRoleArn } from './arn.ts';
import { partitionOfRegion } from './partitions.ts';

export interface AwsSettings {
  readonly region?: string | undefined;
  readonly account_id?: string | undefined;
  readonly assume_role_arn?: string | undefined;
  readonly external_id?: string | undefined;
}

export interface AwsSettingProblem {
  readonly field: keyof AwsSettings;
  /** Completes "<field> ...". */
  readonly message: string;
}

const EXTERNAL_ID = /^[\w+=,.@:/-]{2,1224}$/;

/** In the order of the fields; empty when all of them can be used. */
export function awsSettingProblems(settings: AwsSettings): readonly AwsSettingProblem[] {
  return FIELDS.flatMap(({ field, isGood, message }) => {
    const value = settings[field];
    return value === undefined || isGood(value) ? [] : [{ field, message }];
  });
}

const FIELDS: readonly (AwsSettingProblem & { isGood(value: string): boolean })[] = [
  {
    field: 'region',
    isGood: (region) => partitionOfRegion(region) !== undefined,
    message: 'must be a region of AWS, such as us-west-1',
  },
  {
    field: 'account_id',
    isGood: isAccountId,
    message: 'must be the twelve digits of an AWS account',
  },
  {
    field: 'assume_role_arn',
    isGood: (arn) => parseRoleArn(arn) !== undefined,
    message: 'must be the ARN of one IAM role, such as arn:aws:iam::123456789012:role/name',
  },
  {
    field: 'external_id',
    isGood: (id) => EXTERNAL_ID.test(id),
    message: 'must be 2 to 1224 letters, digits and + = , . @ : / - _',
  },
];
