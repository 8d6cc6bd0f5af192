// `gatehouse db configure create` as it is documented, and `gatehouse aws policy`: texts that can be used as they are.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readConfig } from '#config/read.ts';
import { runCli, type CliRun } from '#test/kit/cli.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { gatehouse } from './program.ts';

const folder = tempFolder();
const run = (line: string | readonly string[]): Promise<CliRun> => runCli(gatehouse, line);
const create = 'db configure create --token=/tmp/token --proxy=gatehouse.example.com:443';
const URI = 'postgres-aurora-instance-1.abcdefghijklm.us-west-1.rds.amazonaws.com:5432';

describe('db configure create', () => {
  test('ok: the documented command writes a file that starts an agent of that database', async () => {
    const path = join(folder, 'gatehouse.yaml');
    const done = await run(
      `${create} --name=aurora --protocol=postgres --uri=${URI} --aws-region=us-west-1 --labels=env=prod,team=a --output file://${path}`,
    );
    expect([done.exitCode, done.stderr]).toEqual([
      0,
      expect.stringContaining(`gatehouse start --config=${path}`),
    ]);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { config } = readConfig(readFileSync(path, 'utf8'), { source: path, hostname: 'box' });
    expect(config).toMatchObject({
      proxyServer: { host: 'gatehouse.example.com', port: 443 },
      db: {
        databases: [
          {
            name: 'aurora',
            protocol: 'postgres',
            uri: URI,
            labels: { env: 'prod', team: 'a' },
            aws: { region: 'us-west-1' },
          },
        ],
      },
    });
    expect(config).not.toHaveProperty('auth');
    const again = await run(`${create} --name=a --protocol=postgres --uri=${URI} --output=file://${path}`);
    expect([again.exitCode, again.stderr]).toEqual([1, expect.stringContaining('exists')]);
  });

  test('ok: to standard output, with roles, ids and selectors', async () => {
    const done = await run(
      `${create} --name=a --protocol=postgres --uri=${URI} --aws-assume-role-arn=arn:aws:iam::123456789012:role/db --aws-external-id=ext --aws-rds-cluster-id=c --ca-cert-file=/etc/ca.pem --dynamic-resources-labels=env=prod`,
    );
    expect(done.exitCode).toBe(0);
    const { config } = readConfig(done.stdout, { source: 'x', hostname: 'box' });
    expect(config.db).toMatchObject({
      databases: [{ aws: { assumeRoleArn: 'arn:aws:iam::123456789012:role/db', rds: { clusterId: 'c' } } }],
      resources: [{ labels: { env: ['prod'] } }],
    });
  });

  test('refuses: what is missing or cannot be, by the name of the flag or key', async () => {
    const fails = async (line: string, text: string): Promise<void> => {
      const done = await run(line);
      expect([done.exitCode, done.stderr]).toEqual([2, expect.stringContaining(text)]);
      expect(done.stdout).toBe('');
    };
    await fails(create, '--dynamic-resources-labels');
    await fails(`${create} --uri=${URI}`, '--name');
    await fails(`${create} --name=a --uri=${URI}`, '--protocol');
    await fails(`${create} --name=a --protocol=postgres`, '--uri');
    await fails(`db configure create --token=x --name=a --protocol=postgres --uri=${URI}`, '--proxy');
    await fails(`${create} --name=a --protocol=postgres --uri=nowhere`, 'uri');
    await fails(`${create} --name=a --protocol=postgres --uri=${URI} --aws-region=mars`, 'region');
    await fails(`${create} --name=a --protocol=postgres --uri=169.254.169.254:80`, 'metadata');
    await fails(`${create} --name=a --protocol=postgres --uri=${URI} --labels=env`, 'name=value');
  });

  test('S21 values are values of the file, whatever is in them', async () => {
    const done = await run([
      ...create.split(' '),
      '--name=a',
      '--protocol=postgres',
      `--uri=${URI}`,
      '--labels=note=x"\n  evil: true #',
    ]);
    const { config } = readConfig(done.stdout, { source: 'x', hostname: 'box' });
    expect(config.db?.databases[0]?.labels).toEqual({ note: 'x"\n  evil: true #' });
  });
});

describe('aws policy', () => {
  const policy = async (line: string): Promise<unknown> => {
    const done = await run(`aws policy ${line}`);
    expect([done.exitCode, done.stderr]).toEqual([0, expect.stringMatching(/^\d+ of \d+ characters/)]);
    return (JSON.parse(done.stdout) as { Statement: unknown }).Statement;
  };
  const fails = async (line: string, text: string): Promise<void> => {
    const done = await run(`aws policy ${line}`);
    expect([done.exitCode === 0, done.stderr]).toEqual([false, expect.stringContaining(text)]);
  };
  const ROLE = 'arn:aws:iam::123456789012:role/ExampleReadOnlyAccess';

  test('ok: roles for people, named, by pattern, by tag', async () => {
    expect(await policy(`--for=app --role-arn=${ROLE}`)).toEqual([
      { Effect: 'Allow', Action: 'sts:AssumeRole', Resource: ROLE },
    ]);
    expect(
      await policy('--for=app --role-arn=arn:aws:iam::123456789012:role/* --tag=gatehouse=yes'),
    ).toMatchObject([{ Condition: { StringEquals: { 'iam:ResourceTag/gatehouse': 'yes' } } }]);
    await fails('--for=app --role-arn=arn:aws:iam::123456789012:role/*', 'too much');
    await fails('--for=app --role-arn=*', 'no ARN of roles');
    await fails('--for=app', '--role-arn');
  });

  test('ok: accounts of databases, in the partition of the region', async () => {
    const at = '--account-id=123456789012 --resource-id=cluster-ABC,db-DEF --db-user=alice';
    expect(await policy(`--for=db --region=us-west-1 ${at}`)).toEqual([
      {
        Effect: 'Allow',
        Action: 'rds-db:connect',
        Resource: [
          'arn:aws:rds-db:us-west-1:123456789012:dbuser:cluster-ABC/alice',
          'arn:aws:rds-db:us-west-1:123456789012:dbuser:db-DEF/alice',
        ],
      },
    ]);
    expect(JSON.stringify(await policy(`--for=db --region=cn-north-1 ${at}`))).toContain('arn:aws-cn:rds-db');
    await fails('--for=db --region=us-west-1 --account-id=123456789012', '--resource-id');
    await fails('--for=db --region=x --account-id=123456789012 --resource-id=*', 'region');
  });

  test('R9 refuses: policies that AWS would not take for their size, and says what to do', async () => {
    const ids = Array.from({ length: 140 }, (_, i) => `db-ABCDEFGHIJKLMNOPQRSTUVWX${i}`).join(',');
    await fails(
      `--for=db --region=us-west-1 --account-id=123456789012 --resource-id=${ids}`,
      'AWS takes 6144 (managed)',
    );
    await fails(
      `--for=db --as=inline --region=us-west-1 --account-id=123456789012 --resource-id=${ids}`,
      '10240 (inline)',
    );
    await policy('--for=db --region=us-west-1 --account-id=123456789012 --resource-id=*');
  });

  test('ok: who may take a role: instances, pods, other accounts, people by tokens of Gatehouse', async () => {
    expect(await policy('--trust=ec2')).toMatchObject([{ Principal: { Service: 'ec2.amazonaws.com' } }]);
    expect(await policy('--trust=pod-identity')).toMatchObject([
      { Action: ['sts:AssumeRole', 'sts:TagSession'] },
    ]);
    const host = 'oidc.eks.us-west-1.amazonaws.com/id/EXAMPLE';
    const arn = `arn:aws:iam::123456789012:oidc-provider/${host}`;
    expect(await policy(`--trust=irsa --oidc-provider-arn=${arn}`)).toEqual([
      {
        Effect: 'Allow',
        Principal: { Federated: arn },
        Action: 'sts:AssumeRoleWithWebIdentity',
        Condition: {
          StringEquals: {
            [`${host}:aud`]: 'sts.amazonaws.com',
            [`${host}:sub`]: 'system:serviceaccount:gatehouse-agent:gatehouse-kube-agent',
          },
        },
      },
    ]);
    const role = 'arn:aws:iam::111111111111:role/role1';
    expect(await policy(`--trust=role --principal=${role} --external-id=example-external-id`)).toEqual([
      {
        Effect: 'Allow',
        Principal: { AWS: role },
        Action: 'sts:AssumeRole',
        Condition: { StringEquals: { 'sts:ExternalId': 'example-external-id' } },
      },
    ]);
    expect(
      await policy(
        '--trust=oidc --oidc-provider-arn=arn:aws:iam::123456789012:oidc-provider/gatehouse.example.com --user=alice',
      ),
    ).toMatchObject([{ Condition: { StringEquals: { 'gatehouse.example.com:sub': 'alice' } } }]);
    await fails('--trust=oidc --oidc-provider-arn=arn:aws:iam::123456789012:oidc-provider/x', '--user');
    await fails('--trust=role --principal=*', 'principal');
    await fails('--trust=ec2 --for=app', 'exactly one');
  });

  test('ok: auth with its tables and buckets', async () => {
    const text = JSON.stringify(
      await policy('--for=auth --region=eu-west-1 --account-id=123456789012 --table=state --bucket=sessions'),
    );
    expect(text).toContain('arn:aws:dynamodb:eu-west-1:123456789012:table/state/stream/*');
    expect(text).toContain('arn:aws:s3:::sessions/*');
  });
});
