// The story of AWS and databases from a pod that has nothing secret: an agent takes its AWS role by the token of its
// ServiceAccount, and people use the aws program, the console and psql through it; also after the issuer's key was rotated.
import { connect } from 'node:tls';
import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  AWS_ACCOUNT,
  AWS_REGION,
  BUCKET,
  RDS_HOST,
  startPodsAws,
  type PodsAws,
} from '#test/kit/aws-for-pods.ts';
import { must } from '#test/kit/cluster.ts';
import { startEksWebhook, type EksWebhook } from '#test/kit/eks-webhook.ts';
import { whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS } from '#test/kit/kube-programs.ts';
import { motoPrograms } from '#test/kit/moto.ts';
import { startPostgres, type TestPostgres } from '#test/kit/postgres.ts';
import { startRdsFront, type RdsFront } from '#test/kit/rds-front.ts';
import { until } from '#test/kit/until.ts';
import { openKubeHouse, phase, READY_MS, type KubeHouse, type KubeJson } from './house.ts';
import type { KubePerson } from './people.ts';

/** Its issuer is given another key, which no other story should see. */
const OWN = { name: 'gateirsa', net: '10.238' };
const AGENT = 'aws-agent';
const APP = 'awsconsole';
const AGENT_ROLE = `arn:aws:iam::${AWS_ACCOUNT}:role/gatehouse-agent`;
const PEOPLE_ROLE = `arn:aws:iam::${AWS_ACCOUNT}:role/ExampleReadOnlyAccess`;
const AUDIENCE = 'sts.amazonaws.com';
const STORY_MS = 15 * 60_000;

const whyNot =
  process.env['GATEHOUSE_E2E_CLUSTER'] === 'existing'
    ? 'the issuer of a cluster that is somebody’s is not given other keys'
    : whyNoCluster();
let house: KubeHouse;
let aws: PodsAws;
let postgres: TestPostgres;
let rds: RdsFront;
let alice: KubePerson;
let webhook: EksWebhook | undefined;
let authToken: string;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  motoPrograms();
  house = await openKubeHouse({ prefix: 'irsa', own: OWN });
  const { cluster, namespace } = house;
  const server = `https://${cluster.nodeAddress}:6443`;
  aws = await startPodsAws({
    address: cluster.hostAddress ?? '',
    fetchKeys: () => cluster.kubectl(['get', '--raw', '/openid/v1/jwks']),
    trust: {
      roleArn: AGENT_ROLE,
      issuer: server,
      audience: AUDIENCE,
      subject: `system:serviceaccount:${namespace}:${AGENT}`,
    },
  });
  postgres = await startPostgres();
  postgres.sql('create role reader login; create table story (text text); grant all on story to reader');
  rds = await startRdsFront({
    server: postgres,
    region: AWS_REGION,
    keys: aws.keys,
    address: cluster.hostAddress ?? '',
    name: RDS_HOST,
  });
  await house.apply(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'aws-ca' },
      stringData: { 'ca.pem': `${aws.authority}${rds.authority}` },
    },
    {
      apiVersion: 'gatehouse.dev/v1',
      kind: 'GatehouseRole',
      metadata: { name: 'cloud' },
      spec: {
        allow: {
          app_labels: { '*': '*' },
          aws_role_arns: [PEOPLE_ROLE],
          db_labels: { '*': '*' },
          db_users: ['reader'],
          db_names: ['postgres'],
        },
      },
    },
  );
  await house.ready('gatehouserole/cloud');
  alice = await house.person('alice', ['cloud']);
}, KUBE_START_MS);

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail' || whyNot !== undefined) return;
  console.error(await house.explain(), aws.refused, aws.front.refused, rds.refused);
});
afterAll(async () => {
  if (whyNot !== undefined) return;
  await webhook?.close();
  await rds?.close();
  await postgres?.stop();
  await aws?.close();
  await house?.close();
}, READY_MS);

/** As the charts' README and the guides print them, and what makes this machine AWS. */
const values = (more: object): Parameters<KubeHouse['installAgent']>[1] => ({
  roles: 'app,db',
  apps: [{ name: APP, uri: 'https://console.aws.amazon.com/ec2/v2/home' }],
  databases: [
    {
      name: 'orders',
      protocol: 'postgres',
      uri: `${RDS_HOST}:${rds.port}`,
      tls: { ca_cert_file: '/etc/gatehouse-tls-ca/ca.pem' },
    },
  ],
  databaseResources: [{ labels: { team: 'story' } }],
  serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': AGENT_ROLE } },
  hostAliases: [{ ip: house.cluster.hostAddress, hostnames: aws.names }],
  tls: { existingCASecretName: 'aws-ca' },
  ...more,
});

/** Through the cluster with the keys that `gate aws` gives the program. */
async function awsCli(...words: readonly string[]): Promise<string> {
  return must(await alice.gate('aws', ...words, `--region=${AWS_REGION}`, '--output=json'));
}

async function callerArn(): Promise<string> {
  return (JSON.parse(await awsCli('sts', 'get-caller-identity')) as { Arn: string }).Arn;
}

/** What psql prints of it, through the cluster, with an AWS token of the agent as its password there. */
async function psql(text: string, database = 'orders'): Promise<string> {
  const words = [
    'db',
    'connect',
    '--db-user=reader',
    '--db-name=postgres',
    database,
    '--',
    '-AtqX',
    '-c',
    text,
  ];
  return must(await alice.gate(...words)).trim();
}

/** The console as a program opens it, by its certificate: the head of the answer. */
async function openConsole(): Promise<string> {
  const { ca, cert, key } = JSON.parse(
    must(await alice.gate('apps', 'config', '--format=json', APP)),
  ) as Readonly<Record<'ca' | 'cert' | 'key', string>>;
  const [host = '', port = ''] = house.publicAddress.split(':');
  const socket = connect({
    host,
    port: Number(port),
    ALPNProtocols: ['gatehouse-app'],
    ca: readFileSync(ca),
    cert: readFileSync(cert),
    key: readFileSync(key),
  });
  socket.write(`GET / HTTP/1.1\r\nHost: ${APP}\r\nConnection: close\r\n\r\n`);
  let text = '';
  for await (const part of socket) text += String(part);
  return text;
}

const podOf = (): Promise<KubeJson> => house.read(`pod/${AGENT}-0`);

test(
  'ok: an agent by the documented values takes its role by the token of its ServiceAccount',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    authToken = (await house.gatectl('tokens', 'add', '--type=app,db', '--ttl=30m', '--format=text')).trim();
    await phase('agent', () =>
      house.installAgent(AGENT, values({ authToken, aws: { region: AWS_REGION, projectToken: true } })),
    );
    await until(
      'the application is listed',
      async () => (await alice.gate('apps', 'ls')).stdout.includes(APP),
      READY_MS,
    );
    must(await alice.gate('apps', 'login', '--aws-role=ExampleReadOnlyAccess', APP));
    await phase('first call of AWS', async () => {
      expect(await callerArn()).toBe(`arn:aws:sts::${AWS_ACCOUNT}:assumed-role/ExampleReadOnlyAccess/alice`);
    });
    expect(aws.refused).toEqual([]);
    expect(aws.taken.map(({ subject }) => subject)).toEqual([
      `system:serviceaccount:${house.namespace}:${AGENT}`,
    ]);
  },
  STORY_MS,
);

test(
  'ok: the aws program and the console work through it, and what was done is on record',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    await awsCli('s3api', 'create-bucket', `--bucket=${BUCKET}`);
    expect(await awsCli('s3api', 'list-buckets')).toContain(BUCKET);
    const answer = await openConsole();
    expect(answer).toMatch(/^HTTP\/1\.1 (200|302) /);
    expect(answer).toContain('https://signin.aws.amazon.com/federation?Action=login');
    expect(answer).toContain(encodeURIComponent('https://console.aws.amazon.com/ec2/v2/home'));
    await until(
      'the audit log has it',
      async () => {
        const words = ['--type=app.session.request', '--limit=1000', '--format=json'];
        const events = JSON.parse(await house.gatectl('audit', 'ls', ...words)) as {
          user: string;
          aws_service: string;
          aws_role_arn: string;
        }[];
        return ['sts', 's3', 'signin'].every((service) =>
          events.some(
            (one) => one.aws_service === service && one.user === 'alice' && one.aws_role_arn === PEOPLE_ROLE,
          ),
        );
      },
      READY_MS,
    );
  },
  STORY_MS,
);

test(
  'ok: psql works through it, by a token that the database checks as AWS does; each query is on record',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    expect(await psql('select current_user')).toBe('reader');
    await psql("insert into story values ('from the story')");
    expect(postgres.sql('select text from story')).toBe('from the story');
    expect(rds.refused).toEqual([]);
    // Of the same token, as long as it lives.
    expect(new Set(rds.tokens).size).toBe(1);
    await until(
      'the audit log has it',
      async () => {
        const words = ['--type=db.session.query', '--limit=1000', '--format=json'];
        const events = JSON.parse(await house.gatectl('audit', 'ls', ...words)) as {
          user: string;
          db_user: string;
          db_query: string;
        }[];
        return events.some(
          (one) =>
            one.user === 'alice' && one.db_user === 'reader' && one.db_query.includes('from the story'),
        );
      },
      READY_MS,
    );
  },
  STORY_MS,
);

test(
  'ok: a database that is applied as a custom resource is served by the agent that matches its labels',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    await house.apply({
      apiVersion: 'gatehouse.dev/v1',
      kind: 'GatehouseDatabase',
      metadata: { name: 'applied', labels: { team: 'story' } },
      spec: { protocol: 'postgres', uri: `${RDS_HOST}:${rds.port}`, tls: { ca_cert: rds.authority } },
    });
    await house.ready('gatehousedatabase/applied');
    const isListed = async (): Promise<boolean> => (await alice.gate('db', 'ls')).stdout.includes('applied');
    await phase('a database that was applied is listed', () => until('it is listed', isListed, READY_MS));
    expect(await psql('select current_user', 'applied')).toBe('reader');
    await house.kubectl('delete', 'gatehousedatabase/applied');
    await until('it is gone', async () => !(await isListed()), READY_MS);
  },
  STORY_MS,
);

test(
  'ok: the issuer has another key: pods of before go on, and new ones are taken by the new one',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const before = await house.read(`secret/${AGENT}-0-state`);
    await phase('the issuer has another key', () => house.cluster.rotateIssuer());
    expect(await callerArn()).toContain('/alice');
    const { uid } = (await podOf()).metadata;
    await house.kubectl('delete', `pod/${AGENT}-0`);
    await until(
      'its successor is ready',
      async () => {
        const pod = await podOf().catch(() => undefined);
        const { conditions = [] } = (pod?.status ?? {}) as {
          conditions?: { type: string; status: string }[];
        };
        const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
        return pod !== undefined && pod.metadata.uid !== uid && isReady;
      },
      READY_MS,
    );
    await until('it serves', async () => (await callerArn().catch(() => '')).includes('/alice'), READY_MS);
    expect(await psql('select count(*) from story')).toBe('1');
    expect(rds.refused).toEqual([]);
    const after = await house.read(`secret/${AGENT}-0-state`);
    expect(after.data?.['host_id']).toBe(before.data?.['host_id']);
    expect(new Set(aws.taken.map(({ keyId }) => keyId)).size).toBe(2);
    expect(aws.refused).toEqual([]);
  },
  STORY_MS,
);

test(
  'ok: with the webhook of EKS the annotation is enough, and nothing is there twice',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    webhook = await startEksWebhook(house.cluster, house.namespace, AWS_REGION);
    const identity = async (): Promise<readonly string[]> => {
      const { containers, volumes } = (await podOf()).spec as {
        containers: { env: { name: string }[]; volumeMounts: { name: string }[] }[];
        volumes: { name: string }[];
      };
      const [{ env, volumeMounts }] = containers as [(typeof containers)[0]];
      return [...env, ...volumeMounts, ...volumes]
        .map(({ name }) => name)
        .filter((name) => name.toLowerCase().startsWith('aws'))
        .sort();
    };
    const taken = aws.taken.length;
    const given = await identity();
    for (const aws of [{ region: AWS_REGION, projectToken: true }, {}]) {
      await phase('agent is installed again', () => house.installAgent(AGENT, values({ authToken, aws })));
      expect(await identity()).toEqual(given);
    }
    await until('it serves', async () => (await callerArn().catch(() => '')).includes('/alice'), READY_MS);
    expect(aws.taken.length).toBeGreaterThan(taken);
    expect(webhook.changed.length).toBeGreaterThan(0);
  },
  STORY_MS,
);
