// What is built, against files that a person can read (golden/*.yaml; `vitest -u` writes them anew), and against the programs
// that read it.
import { expect, it } from 'vitest';
import { stringify } from 'yaml';
import { readConfig } from '#config/read.ts';
import { parseResource } from '#core/kind.ts';
import { readYaml } from '#core/yaml/read.ts';
import { tokenKind } from '#kinds/token/kind.ts';
import { FULL_SPEC, samplePlan } from '#test/kit/cluster-plan.ts';
import type { ClusterPlan } from '../plan.ts';
import { STEPS, type Step } from '../upgrade.ts';
import { CONFIG_FILE, RESOURCES_FILE } from './files.ts';
import { digestOf, wantedRevisions } from './revision.ts';
import { configMap, statefulSet, volumeOf } from './stateful-set.ts';
import { surroundings } from './surroundings.ts';

const asYaml = (objects: readonly unknown[]): string =>
  objects.map((object) => stringify(object, { lineWidth: 0, aliasDuplicateObjects: false })).join('---\n');
const golden = (name: string): string => `../golden/${name}.yaml`;

const certManager = { issuerRef: { name: 'letsencrypt', kind: 'ClusterIssuer', group: 'cert-manager.io' } };
const full = (more: Partial<ClusterPlan> = {}): ClusterPlan =>
  samplePlan(
    { ...FULL_SPEC, proxy: { ...FULL_SPEC.proxy, tls: { certManager } } },
    { tlsSecret: 'main-proxy-tls', deletesVolumes: true, ...more },
  );

function sets(plan: ClusterPlan, step: Step): readonly unknown[] {
  const revision = wantedRevisions(plan)[step];
  return [configMap(plan, step, revision), statefulSet(plan, step, revision)];
}

it.each(STEPS)('ok: the pods of %s, as people mostly have them', async (step) => {
  await expect(asYaml(sets(samplePlan(), step))).toMatchFileSnapshot(golden(`${step}-plain`));
});

it.each(STEPS)('ok: the pods of %s with every knob set', async (step) => {
  await expect(asYaml(sets(full(), step))).toMatchFileSnapshot(golden(`${step}-full`));
});

it('ok: what stands around them', async () => {
  await expect(asYaml(surroundings(full()))).toMatchFileSnapshot(golden('surroundings-full'));
});

it.each([
  ['plain', samplePlan()],
  ['full', full()],
  ['without pins', samplePlan({}, { caPins: [] })],
])('ok: the services understand their files, word for word: %s', (_, plan) => {
  const revisions = wantedRevisions(plan);
  for (const step of STEPS) {
    const text = revisions[step].files[CONFIG_FILE] ?? '';
    const { config, notices } = readConfig(text, {
      source: `${step}.yaml`,
      hostname: `main-${step}-0`,
      flags: { roles: [step] },
    });
    expect(notices).toEqual([]);
    expect([config.auth === undefined, config.proxy === undefined]).toEqual([
      step !== 'auth',
      step !== 'proxy',
    ]);
  }
});

it('ok: the proxies join by their ServiceAccount at the auth of their cluster and nowhere else', () => {
  const text = wantedRevisions(samplePlan()).proxy.files[CONFIG_FILE] ?? '';
  const { config } = readConfig(text, { source: 'f', hostname: 'h', flags: { roles: ['proxy'] } });
  expect(config.join).toMatchObject({ method: 'kubernetes', tokenName: 'main-proxy' });
  expect(config.authServers).toEqual([{ host: 'main-auth.access.svc', port: 3025 }]);
  expect(config.proxy?.publicAddrs).toEqual([{ host: 'gate.example.com', port: 443 }]);
  expect(config.proxy?.sshListenAddr).toBeUndefined();
});

it('S37 ok: what auth applies lets in one account each, for what it is, by tokens made for this cluster', () => {
  const text = wantedRevisions(samplePlan()).auth.files[RESOURCES_FILE] ?? '';
  const tokens = readYaml(text).map(({ value }) => parseResource(tokenKind, value));
  expect(
    tokens.map(({ metadata, spec }) => [
      metadata.name,
      spec.roles,
      spec.kubernetes?.audience,
      spec.kubernetes?.allow,
    ]),
  ).toEqual([
    [
      'main-operator',
      ['operator'],
      'gatehouse.dev/access/main',
      [{ service_account: 'gatehouse-system:gatehouse-operator' }],
    ],
    ['main-proxy', ['proxy'], undefined, [{ service_account: 'access:main-proxy' }]],
  ]);
});

it('ok: a revision is another one when pods or files are, and only then', () => {
  const names = (plan: ClusterPlan): readonly string[] =>
    STEPS.map((step) => wantedRevisions(plan)[step].name);
  const [auth, proxy] = names(samplePlan());
  const same = { proxy: { replicas: 9, service: { type: 'ClusterIP' } }, upgrade: { timeoutSeconds: 99 } };
  expect(names(samplePlan(same))).toEqual([auth, proxy]);
  const one = names(samplePlan({ proxy: { config: { proxy_service: { proxy_protocol: 'off' } } } }));
  expect([one[0] === auth, one[1] === proxy]).toEqual([true, false]);
  expect(names(samplePlan({}, { image: 'x' })).filter((name) => [auth, proxy].includes(name))).toEqual([]);
});

it('ok: a digest does not depend on the order of keys', () => {
  expect(digestOf({ a: 1, b: [{ c: 2, d: undefined }] })).toBe(digestOf({ b: [{ c: 2 }], a: 1 }));
  expect(digestOf([1, 2])).not.toBe(digestOf([2, 1]));
});

it('ok: the volume that was made is read back', () => {
  const volume = { size: '3Gi', accessModes: ['ReadWriteOncePod'], storageClassName: 'gp3' } as const;
  const plan = samplePlan({}, { volume });
  expect(volumeOf(statefulSet(plan, 'auth', wantedRevisions(plan).auth))).toEqual(volume);
  expect(volumeOf(statefulSet(plan, 'proxy', wantedRevisions(plan).proxy))).toBeUndefined();
});
