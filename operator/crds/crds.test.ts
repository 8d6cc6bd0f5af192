// The definitions and what is generated from them, without an API server: names, sizes, files, defaults. What a real one
// says of them is in crds.slow.test.ts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { expect, test } from 'vitest';
import { KINDS } from '#kinds/all.ts';
import { parseClusterSpec } from './cluster.ts';
import { MIRRORS, NOT_MIRRORED } from './mirror.ts';
import type { OpenApi } from './openapi.ts';
import { CRDS } from './own.ts';
import { parseStorageSpec } from './storage.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const schemaOf = (crd: (typeof CRDS)[number]): OpenApi | undefined =>
  crd.spec.versions[0]?.schema.openAPIV3Schema;

test('ok: every kind that people write has a mirror, or a reason', () => {
  const written = KINDS.filter(({ audience }) => audience === 'admin').map(({ name }) => name);
  const known = [...MIRRORS.map(({ kind }) => kind.name), ...Object.keys(NOT_MIRRORED)];
  expect(known.sort()).toEqual(written.sort());
});

test('ok: no two resources share a name, long or short', () => {
  const words = CRDS.flatMap(({ spec: { names } }) => [names.plural, names.singular, ...names.shortNames]);
  expect(words.filter((word, index) => words.indexOf(word) !== index)).toEqual([]);
  expect(words).toEqual(expect.arrayContaining(['ghc', 'ghs', 'ghrole', 'ghuser', 'ghtoken', 'ghcap']));
});

test.each(CRDS.map((crd) => [crd.metadata.name, crd] as const))(
  'ok: %s has a status, health in its columns, and room in an annotation',
  (_name, crd) => {
    const [version] = crd.spec.versions;
    expect(version?.additionalPrinterColumns.map(({ name }) => name).slice(-4)).toEqual([
      'Ready',
      'Reason',
      'Message',
      'Age',
    ]);
    expect(schemaOf(crd)?.properties?.['status']?.properties?.['conditions']).toMatchObject({
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
    });
    // One that nobody looked at is not ready for those who follow kstatus: the generation seen is another.
    expect(schemaOf(crd)?.properties?.['status']?.default).toEqual({ observedGeneration: 0 });
    // Client-side apply keeps the whole manifest in one annotation; all of them have 256 KiB.
    expect(Buffer.byteLength(JSON.stringify(crd))).toBeLessThan(200 * 1024);
  },
);

/** Every schema within a schema. */
function* within(schema: OpenApi): Generator<OpenApi> {
  yield schema;
  const below = [...Object.values(schema.properties ?? {}), schema.items, schema.additionalProperties];
  for (const inner of below) if (inner !== undefined) yield* within(inner);
}

test('ok: a mirror has no defaults but for its status, so that nobody sees a difference to what they wrote', () => {
  const defaulted = MIRRORS.filter(({ crd }) => {
    const schema = schemaOf(crd);
    const status = schema?.properties?.['status'];
    return (
      schema === undefined || [...within(schema)].some((inner) => inner !== status && 'default' in inner)
    );
  });
  expect(defaulted).toEqual([]);
});

test.each(CRDS.map((crd) => [crd.metadata.name, crd] as const))(
  'ok: the files of %s say what the schemas say, also as Kubernetes reads YAML',
  (name, crd) => {
    expect(parse(text(`crds/${name}.yaml`), { version: '1.1' })).toEqual(crd);
    const [first, ...lines] = text(`charts/gatehouse-operator/templates/crds/${name}.yaml`).split('\n');
    expect([first, ...lines.splice(-2)]).toEqual(['{{- if .Values.crds.install }}', '{{- end }}', '']);
    const rendered = lines.join('\n').replaceAll('{{ "{{" }}', '{{');
    const annotations = { 'helm.sh/resource-policy': 'keep' };
    expect(parse(rendered, { version: '1.1' })).toEqual({
      ...crd,
      metadata: { ...crd.metadata, annotations },
    });
  },
);

test('ok: what a cluster leaves out is filled in', () => {
  const checked = parseClusterSpec({ clusterName: 'a.b', publicAddress: 'a.b', proxy: { replicas: 3 } });
  expect(checked).toMatchObject({
    ok: true,
    value: {
      image: { pullPolicy: 'IfNotPresent', pullSecrets: [] },
      auth: { replicas: 1 },
      proxy: { replicas: 3, service: { type: 'LoadBalancer', port: 443 } },
      upgrade: { timeoutSeconds: 600, rollback: true },
    },
  });
});

test('ok: what a storage leaves out is filled in', () => {
  const volume = { size: '10Gi', accessModes: ['ReadWriteOnce'] };
  expect(parseStorageSpec({})).toEqual({ ok: true, value: { type: 'sqlite', sqlite: { volume } } });
  expect(parseStorageSpec({ sqlite: { volume: { size: '1Ti' } } })).toMatchObject({
    value: { sqlite: { volume: { ...volume, size: '1Ti' } } },
  });
});

test.each([
  ['a size', { sqlite: { volume: { size: 'big' } } }, ['sqlite', 'volume', 'size']],
  [
    'a reference without a key',
    { credentials: { password_file: { secretKeyRef: { name: 'a' } } } },
    ['credentials', 'password_file', 'secretKeyRef', 'key'],
  ],
  [
    'a Secret of another namespace',
    { credentials: { x: { secretKeyRef: { name: 'other/a', key: 'k' } } } },
    ['credentials', 'x', 'secretKeyRef', 'name'],
  ],
])('S37 refuses: a storage with %s', (_name, spec, path) => {
  expect(parseStorageSpec(spec)).toMatchObject({ ok: false, problems: [{ path }] });
});
