// A thousand GatehouseRole objects on a real API server: from apply to all ready, beside a thousand ConfigMaps that nobody
// reconciles, what they cost the API server, how long drift lasts, what an idle operator asks, and how soon all are deleted.
import { systemClock, sleep } from '#core/clock.ts';
import type { KubeObject } from '#operator/kube/kube.ts';
import { conditionsOf, mirrorObject, mirrorType, NAMESPACE } from '../kit/operator-house.ts';
import { startOperatorOnKube, type OperatorOnKube } from '../kit/operator-kube.ts';
import { until } from '../kit/until.ts';
import { median, printHeading, time } from './kit.ts';

const COUNT = 1000;
const DRIFTS = 100;
const IDLE_MS = 30_000;
const ASK_AGAIN_MS = 500;
const TARGET_MS = 60_000;
const TARGET_DRIFT_MS = 5_000;
const BY_KUBECTL = 40;
const WAIT_MS = 600_000;

printHeading('operator: mirrors');
const house = await startOperatorOnKube();
try {
  const isGood = [
    await readyTime(house),
    await driftTime(house),
    await idleCalls(house),
    await deleteTime(house),
  ];
  if (isGood.includes(false)) process.exitCode = 1;
} finally {
  await house.close();
}

async function readyTime({ person, operator, calls }: OperatorOnKube): Promise<boolean> {
  const key = { namespace: NAMESPACE, name: 'main' };
  await until('member', () => operator.houses.connection(key).state === 'connected', WAIT_MS);
  const from = calls.length;
  const cpu = process.cpuUsage();
  const spent = await time(async () => {
    await createAll(person, (name) => mirrorObject('role', name, { spec: { allow: { logins: ['root'] } } }));
    await until('all are ready', async () => (await countReady(person)) === COUNT, WAIT_MS);
  });
  await until('idle', () => operator.runtime.isIdle(), WAIT_MS);
  const made = calls.slice(from).filter((call) => !call.startsWith('watch'));
  const { user, system } = process.cpuUsage(cpu);
  console.log(
    `${COUNT} roles from create to all ready: ${seconds(spent)} (target ${seconds(TARGET_MS)}); calls to the API server: ${(made.length / COUNT).toFixed(2)} per object; processor: ${seconds((user + system) / 1000)} of this process (operator, auth and creator)`,
  );
  const reference = await time(() =>
    createAll(person, (name) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: NAMESPACE },
      data: { logins: 'root' },
    })),
  );
  console.log(
    `reference, ${COUNT} ConfigMaps created by the same client: ${seconds(reference)}; ratio ${(spent / reference).toFixed(1)}`,
  );
  return spent < TARGET_MS;
}

/** Fifty at a time. */
async function createAll(
  person: OperatorOnKube['person'],
  objectOf: (name: string) => KubeObject,
): Promise<void> {
  for (let at = 0; at < COUNT; at += 50) {
    const names = Array.from({ length: 50 }, (_, n) => `bench-${at + n}`);
    await Promise.all(names.map((name) => person.create(objectOf(name))));
  }
}

/** Not all the time: lists of all would keep the API server busier than the operator does. */
async function countReady(person: OperatorOnKube['person']): Promise<number> {
  await sleep(systemClock, ASK_AGAIN_MS);
  const { items } = await person.list(mirrorType('role'), { namespace: NAMESPACE });
  return items.filter((item) => conditionsOf(item) === 'Ready=True Applied').length;
}

async function driftTime({ auth }: OperatorOnKube): Promise<boolean> {
  const times: number[] = [];
  for (let n = 0; n < DRIFTS; n++) {
    const name = `bench-${n * 7}`;
    const drifted = {
      kind: 'role',
      version: 'v7',
      metadata: { name },
      spec: { allow: { logins: ['drift'] } },
    };
    await auth.call(auth.admin, 'PUT', `/v1/resources/roles/${name}`, drifted);
    const isRepaired = (): boolean =>
      JSON.stringify(auth.auth.state.get('role', name)?.spec).includes('root');
    times.push(
      await time(async () => {
        await until('repaired', isRepaired, WAIT_MS);
      }),
    );
  }
  const p99 = times.toSorted((a, b) => a - b)[Math.ceil(DRIFTS * 0.99) - 1] ?? 0;
  console.log(
    `drift, from the answer to whoever made it until it is repaired: median ${median(times).toFixed(0)} ms, p99 ${p99.toFixed(0)} ms (target ${TARGET_DRIFT_MS} ms)`,
  );
  return p99 < TARGET_DRIFT_MS;
}

async function idleCalls({ operator, calls }: OperatorOnKube): Promise<boolean> {
  await until('idle', () => operator.runtime.isIdle(), WAIT_MS);
  const from = calls.length;
  await sleep(systemClock, IDLE_MS);
  const made = calls.length - from;
  console.log(`idle with ${COUNT} objects: ${made} calls to the API server in ${seconds(IDLE_MS)}`);
  return made * 1000 < IDLE_MS;
}

/**
 * In one call for all. `kubectl delete` asks for one after the other, five a second (the default of its library), and then
 * looks after each, which no server can make faster: forty of each sort are timed, to show that finalizers cost it nothing.
 */
async function deleteTime(house: OperatorOnKube): Promise<boolean> {
  const plain = await byKubectl(house, 'configmaps');
  const ours = await byKubectl(house, 'gatehouseroles');
  console.log(
    `kubectl delete of ${BY_KUBECTL} objects: ConfigMaps ${seconds(plain)}, roles ${seconds(ours)}; ratio ${(ours / plain).toFixed(2)}`,
  );
  const { api, operator, calls, person } = house;
  const from = calls.length;
  const path = `/apis/gatehouse.dev/v1/namespaces/${NAMESPACE}/gatehouseroles`;
  const spent = await time(async () => {
    await api.kubectl(['delete', '--raw', path]);
    await until(
      'all are gone',
      async () => {
        await sleep(systemClock, ASK_AGAIN_MS);
        return (await person.list(mirrorType('role'), { namespace: NAMESPACE })).items.length === 0;
      },
      WAIT_MS,
    );
  });
  await until('idle', () => operator.runtime.isIdle(), WAIT_MS);
  const made = calls.slice(from).filter((call) => !call.startsWith('watch')).length;
  const count = COUNT - BY_KUBECTL;
  console.log(
    `${count} roles from one call that deletes all until none is left: ${seconds(spent)}, ${(count / (spent / 1000)).toFixed(0)} a second (target ${seconds(TARGET_MS)}) ${spent < TARGET_MS ? 'met' : 'MISSED'}; calls to the API server: ${(made / count).toFixed(2)} per object`,
  );
  return spent < TARGET_MS;
}

function byKubectl({ api }: OperatorOnKube, type: string): Promise<number> {
  const names = Array.from({ length: BY_KUBECTL }, (_, n) => `bench-${COUNT - 1 - n}`);
  const words = ['delete', type, ...names, '-n', NAMESPACE, '--timeout=10m'];
  return time(async () => void (await api.kubectl(words)));
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
