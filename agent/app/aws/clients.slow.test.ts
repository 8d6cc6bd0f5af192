// Real clients of AWS through the local proxy and the engine, against moto behind a front that checks every signature:
// the aws CLI of both versions, boto3, and the SDK for JavaScript.
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startAwsFront, type AwsFront } from '#test/kit/aws-front.ts';
import { ROLE_KEYS, startAwsHouse, type AwsHouse } from '#test/kit/aws-house.ts';
import { motoPrograms, startMoto, type Moto } from '#test/kit/moto.ts';

const run = promisify(execFile);
const MB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
const big = join(folder, 'big');
let moto: Moto;
let front: AwsFront;
let house: AwsHouse;

beforeAll(async () => {
  moto = await startMoto();
  front = await startAwsFront({ keys: [ROLE_KEYS], moto: moto.port });
  house = await startAwsHouse({ front });
  writeFileSync(big, randomBytes(64 * MB));
}, 300_000);

afterAll(async () => {
  await house.close();
  await front.close();
  await moto.close();
  rmSync(folder, { recursive: true, force: true });
});

const hash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** Runs a program as `gate aws` would; its output. */
async function ran(program: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await run(program, [...args], { env: house.variables, maxBuffer: MB });
    return stdout.trim();
  } catch (error) {
    throw new Error(
      `${String((error as { stderr?: unknown }).stderr)} refused: ${front.refused.join()} failed: ${house.failures.join()}`,
      { cause: error },
    );
  }
}

/** Nothing came to AWS that it would have refused, and everything with the role's keys. */
function expectRoleOnly(): void {
  expect(front.refused).toEqual([]);
  expect(new Set(front.seen.map(({ signature }) => signature.accessKeyId))).toEqual(
    new Set([ROLE_KEYS.accessKeyId]),
  );
}

const CLIS = [
  ['aws CLI 1 (PyPI)', () => join(motoPrograms(), 'aws')],
  ['aws CLI 2 (Debian)', () => '/usr/bin/aws'],
] as const;

describe.each(CLIS)('%s', (name, programOf) => {
  const bucket = `b-${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;

  it('ok: STS, EC2, DynamoDB, and errors of AWS as they are', async (context) => {
    const aws = programOf();
    if (!existsSync(aws)) context.skip(`${aws} is not installed`);
    expect(JSON.parse(await ran(aws, ['sts', 'get-caller-identity']))).toHaveProperty('Arn');
    expect(JSON.parse(await ran(aws, ['ec2', 'describe-instances']))).toHaveProperty('Reservations');
    const table = `t-${bucket}`;
    const shape =
      '--billing-mode PAY_PER_REQUEST --attribute-definitions AttributeName=id,AttributeType=S --key-schema AttributeName=id,KeyType=HASH';
    await ran(aws, ['dynamodb', 'create-table', '--table-name', table, ...shape.split(' ')]);
    await ran(aws, ['dynamodb', 'put-item', '--table-name', table, '--item', '{"id":{"S":"é/1"}}']);
    expect(await ran(aws, ['dynamodb', 'scan', '--table-name', table])).toContain('"Count": 1');
    await expect(ran(aws, ['s3', 'ls', 's3://there-is-none'])).rejects.toThrow('NoSuchBucket');
    expectRoleOnly();
  });

  it('ok: S3 with multipart up and down, names that need escapes, and a presigned URL', async (context) => {
    const aws = programOf();
    if (!existsSync(aws)) context.skip(`${aws} is not installed`);
    await ran(aws, ['s3', 'mb', `s3://${bucket}`]);
    const key = 'a folder/ü+%(x)~*!';
    await ran(aws, ['s3', 'cp', '--no-progress', big, `s3://${bucket}/${key}`]);
    const back = join(folder, bucket);
    await ran(aws, ['s3', 'cp', '--no-progress', `s3://${bucket}/${key}`, back]);
    expect(hash(back)).toBe(hash(big));
    rmSync(back);
    const small = join(folder, `small-${bucket}`);
    writeFileSync(small, 'hello');
    await ran(aws, ['s3', 'cp', '--no-progress', small, `s3://${bucket}/small`]);
    const url = await ran(aws, ['s3', 'presign', '--expires-in', '300', `s3://${bucket}/small`]);
    const proxy = ['-x', house.variables['HTTPS_PROXY'] ?? ''];
    const trust = ['--cacert', house.variables['AWS_CA_BUNDLE'] ?? ''];
    const curl = await ran('curl', ['-sS', '--fail-with-body', ...trust, ...proxy, url]);
    expect(curl).toBe('hello');
    expectRoleOnly();
  });
});

describe('boto3', () => {
  const program = `
import boto3, os
from botocore.config import Config
s3 = boto3.client('s3', config=Config(s3={'addressing_style': 'virtual'}))
s3.create_bucket(Bucket='boto', CreateBucketConfiguration={'LocationConstraint': 'eu-central-1'})
for algorithm in ['CRC32', 'SHA1', 'SHA256']:
    s3.put_object(Bucket='boto', Key='k/' + algorithm, Body=b'x' * 300000, ChecksumAlgorithm=algorithm)
body = s3.get_object(Bucket='boto', Key='k/SHA256')['Body'].read()
assert body == b'x' * 300000, len(body)
s3.put_object(Bucket='boto', Key='empty', Body=b'')
print(len(s3.list_objects_v2(Bucket='boto')['Contents']))
sqs = boto3.client('sqs')
queue = sqs.create_queue(QueueName='q')['QueueUrl']
sqs.send_message(QueueUrl=queue, MessageBody='hi & <bye>')
print(sqs.receive_message(QueueUrl=queue)['Messages'][0]['Body'])
iam = boto3.client('iam')
print(len(iam.list_roles()['Roles']))
try:
    keys = {'aws_access_key_id': os.environ['AWS_ACCESS_KEY_ID'], 'aws_secret_access_key': 'wrong'}
    boto3.client('s3', **keys).list_buckets()
except Exception as error:
    print(error.response['Error']['Code'])
`;

  it('ok: checksums in trailers, virtual hosts, queues, IAM; a wrong local key is told', async () => {
    const out = await ran(join(motoPrograms(), 'python'), ['-c', program]);
    expect(out.split('\n')).toEqual(['4', 'hi & <bye>', '0', 'SignatureDoesNotMatch']);
    expectRoleOnly();
  });
});

describe('the SDK for JavaScript', () => {
  it('ok: S3 with streams and trailers, DynamoDB, through the endpoint of the local proxy', async () => {
    const { S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand } =
      await import('@aws-sdk/client-s3');
    const { DynamoDBClient, ListTablesCommand } = await import('@aws-sdk/client-dynamodb');
    const settings = {
      region: 'eu-central-1',
      endpoint: house.variables['HTTPS_PROXY'] ?? '',
      credentials: {
        accessKeyId: house.localKeys.accessKeyId,
        secretAccessKey: house.localKeys.secretAccessKey.reveal(),
      },
      maxAttempts: 1,
    };
    const s3 = new S3Client({ ...settings, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'js-bucket' }));
    const data = randomBytes(MB);
    await s3.send(new PutObjectCommand({ Bucket: 'js-bucket', Key: 'k é', Body: data }));
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'js-bucket', Key: 'k é' }));
    expect(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(data)).toBe(true);
    const dynamodb = new DynamoDBClient(settings);
    expect((await dynamodb.send(new ListTablesCommand({}))).TableNames).toBeInstanceOf(Array);
    s3.destroy();
    dynamodb.destroy();
    expectRoleOnly();
  });
});
