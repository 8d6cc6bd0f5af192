// The chart of the operator: its rights are the table they come from, its custom resources are those of crds/, and the
// pods that run it can do no more than they need.
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { operator as operatorCommand } from '#cli/commands/gatehouse/operator.ts';
import { start } from '#cli/commands/gatehouse/start.ts';
import { OWN_SERVICE_ACCOUNT, rulesOf, type PolicyRule } from '#operator/rbac.ts';
import { KUBE_START_MS, kubePrograms } from '#test/kit/kube-programs.ts';
import { at, objectsOf, only, refusal, render, type Rendered, type Values } from './render.ts';

const CHART = 'gatehouse-operator';
const HERE = { release: 'op', namespace: 'gatehouse-system' };
const CRDS = new URL('../../../crds/', import.meta.url);

beforeAll(async () => void (await kubePrograms('helm')), KUBE_START_MS);

const operator = (values: Values = {}): Promise<readonly Rendered[]> => render(CHART, values, HERE);

const ofKind = (objects: readonly Rendered[], kind: string): readonly Rendered[] =>
  objects.filter((object) => object.kind === kind);

const own = (account: string): PolicyRule[] =>
  rulesOf('own').map((rule) =>
    rule.resourceNames === undefined
      ? rule
      : {
          ...rule,
          resourceNames: rule.resourceNames.map((name) => (name === OWN_SERVICE_ACCOUNT ? account : name)),
        },
  );

/** Rights as text, so that the order of keys says nothing. */
const rights = (rules: unknown): string[] =>
  (rules as readonly object[]).map((rule) => JSON.stringify(Object.entries(rule).sort())).sort();

test('ok: S37 its rights are exactly the table, and those in its own namespace are for its own name', async () => {
  const objects = await operator();
  expect(rights(only(objects, 'ClusterRole')['rules'])).toEqual(
    rights([...rulesOf('cluster'), ...rulesOf('watched')]),
  );
  const role = only(objects, 'Role');
  expect(role.metadata.namespace).toBe('gatehouse-system');
  expect(rights(role['rules'])).toEqual(rights(own('op')));
});

test('ok: S37 with watchNamespace, only what has no namespace is asked for cluster-wide, and what a namespace that ends needs is limited to it', async () => {
  const objects = await operator({ watchNamespace: 'team-a', serviceAccount: { name: 'mine' } });
  expect(rights(only(objects, 'ClusterRole')['rules'])).toEqual(
    rights([...rulesOf('cluster'), ...rulesOf('ending')]),
  );
  const policy = only(objects, 'ValidatingAdmissionPolicy');
  expect(policy['spec']).toMatchObject({
    failurePolicy: 'Fail',
    matchConditions: [
      { expression: "request.userInfo.username == 'system:serviceaccount:gatehouse-system:mine'" },
    ],
    validations: [{ expression: "request.namespace == 'team-a'" }],
  });
  expect(only(objects, 'ValidatingAdmissionPolicyBinding')['spec']).toEqual({
    policyName: policy.metadata.name,
    validationActions: ['Deny'],
  });
  const roles = Object.fromEntries(
    ofKind(objects, 'Role').map((role) => [role.metadata.namespace, rights(role['rules'])]),
  );
  expect(roles).toEqual({ 'team-a': rights(rulesOf('watched')), 'gatehouse-system': rights(own('mine')) });
  expect(at(only(objects, 'Deployment'), 'spec', 'template', 'spec', 'containers', 0, 'args')).toContain(
    '--watch-namespace=team-a',
  );
});

test.each([{}, { watchNamespace: 'team-a' }, { watchNamespace: 'gatehouse-system' }])(
  'ok: each role of %j is bound to the account of the pods, and names do not clash',
  async (values) => {
    const objects = await operator(values);
    const bindings = objects.filter(({ kind }) => kind.endsWith('RoleBinding'));
    const key = ({ metadata: { namespace, name } }: Rendered, kind: unknown): string =>
      `${String(kind)} ${namespace ?? ''}/${name}`;
    expect(bindings.map((binding) => key(binding, at(binding, 'roleRef', 'kind'))).sort()).toEqual(
      objects
        .filter(({ kind }) => kind.endsWith('Role'))
        .map((role) => key(role, role.kind))
        .sort(),
    );
    for (const binding of bindings) {
      expect(binding['subjects']).toEqual([
        { kind: 'ServiceAccount', name: 'op', namespace: 'gatehouse-system' },
      ]);
    }
    const keys = objects.map((object) => key(object, object.kind));
    expect(new Set(keys).size).toBe(keys.length);
  },
);

test('ok: operators of the same name in two namespaces have roles of their own', async () => {
  const names = await Promise.all(
    ['a', 'b'].map(async (namespace) =>
      only(await render(CHART, {}, { release: 'op', namespace }), 'ClusterRole'),
    ),
  );
  expect(new Set(names.map(({ metadata }) => metadata.name)).size).toBe(2);
});

test('ok: its custom resources are those of crds/, and stay when it is uninstalled', async () => {
  const rendered = ofKind(await operator(), 'CustomResourceDefinition');
  const committed = readdirSync(CRDS).flatMap((file) => objectsOf(readFileSync(new URL(file, CRDS), 'utf8')));
  const byName = (list: readonly Rendered[]): Record<string, unknown> =>
    Object.fromEntries(list.map((crd) => [crd.metadata.name, crd['spec']]));
  expect(byName(rendered)).toEqual(byName(committed));
  for (const { metadata } of rendered)
    expect(metadata.annotations).toMatchObject({ 'helm.sh/resource-policy': 'keep' });
  expect(ofKind(await operator({ crds: { install: false } }), 'CustomResourceDefinition')).toEqual([]);
});

test.each([
  ['gatehouse', 'gatehouse'],
  ['registry.example.com:5000/a/gatehouse', 'registry.example.com:5000/a/gatehouse'],
  ['registry.example.com:5000/gatehouse:1', 'registry.example.com:5000/gatehouse'],
  [`gatehouse:1@sha256:${'a'.repeat(64)}`, 'gatehouse'],
])('ok: the operator of image %s makes clusters of %s', async (image, repository) => {
  const args = at(
    only(await operator({ image }), 'Deployment'),
    'spec',
    'template',
    'spec',
    'containers',
    0,
    'args',
  );
  expect(args).toContain(`--image=${repository}`);
});

test('ok: the program knows the arguments it is started with', async () => {
  const pods = [
    only(await operator({ watchNamespace: 'team-a' }), 'Deployment'),
    only(await render('gatehouse-kube-agent', { proxyAddr: 'a:443', roles: 'node' }), 'StatefulSet'),
  ];
  for (const pod of pods) {
    const [name, ...args] = at(pod, 'spec', 'template', 'spec', 'containers', 0, 'args') as readonly string[];
    const command = name === 'operator' ? operatorCommand : start;
    expect(args.length).toBeGreaterThan(0);
    for (const arg of args) expect(Object.keys(command.flags)).toContain(/^--([a-z-]+)=/.exec(arg)?.[1]);
  }
});

test('ok: pods cannot become more than they are', async () => {
  const pod = at(only(await operator(), 'Deployment'), 'spec', 'template', 'spec');
  expect(at(pod, 'securityContext')).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  });
  expect(at(pod, 'containers', 0, 'securityContext')).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  });
});

test.each([
  [
    'a namespace that is none',
    { watchNamespace: 'Team A' },
    "at '/watchNamespace': 'Team A' does not match pattern",
  ],
  ['a misspelt value', { replicas: 2 }, "additional properties 'replicas' not allowed"],
  [
    'a level that is none',
    { log: { level: 'loud' } },
    "at '/log/level': value must be one of 'trace', 'debug'",
  ],
])('refuses: %s', async (_, values, message) => {
  expect(await refusal(CHART, values)).toContain(message);
});
