// What a custom resource says about its resource, and what hostile ones say: the document, the references to Secrets, and
// the words for what is wrong.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkResource, defineKind, type Kind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';
import { kindOf } from '#kinds/all.ts';
import { roleKind } from '#kinds/role/kind.ts';
import type { KubeObject } from '../kube/kube.ts';
import { problemLines, readEnvelope } from './envelope.ts';
import { findSecretRefs, withValue } from './secret-refs.ts';

const object = (fields: object, metadata: object = {}): KubeObject => ({
  apiVersion: 'gatehouse.dev/v1',
  kind: 'GatehouseRole',
  metadata: { name: 'dev', namespace: 'prod', ...metadata },
  ...fields,
});
const role = roleKind as Kind;
const secretive = defineKind({
  name: 'connector',
  description: 'A kind with secrets in odd places.',
  versions: ['v1'],
  spec: s.object({
    client_secret: s.optional(s.string({ secret: true })),
    servers: s.withDefault(s.list(s.object({ url: s.string(), password: s.string({ secret: true }) })), []),
    by_name: s.withDefault(s.map(s.string({ secret: true, maxLength: 8 })), {}),
    login: s.optional(s.choice([s.object({ key: s.string({ secret: true }) }), s.string()])),
  }),
  columns: [],
}) as Kind;
const ref = (name: string, key = 'value') => ({ secretKeyRef: { name, key } });

describe('the document', () => {
  test('ok: name, labels without a domain, description, expiry and spec; nothing else of Kubernetes', () => {
    const { document } = readEnvelope(
      role,
      object(
        {
          spec: { allow: { logins: ['root'] } },
          expires: '2030-01-01T00:00:00Z',
          version: 'v5',
          status: { x: 1 },
        },
        {
          labels: { team: 'a', 'app.kubernetes.io/name': 'b', 'gatehouse.internal/owner': 'c' },
          annotations: { 'gatehouse.dev/description': 'for devs', other: 'x' },
          uid: 'u',
        },
      ),
    );
    expect(document).toEqual({
      kind: 'role',
      version: 'v5',
      metadata: {
        name: 'dev',
        labels: { team: 'a' },
        description: 'for devs',
        expires: '2030-01-01T00:00:00Z',
      },
      spec: { allow: { logins: ['root'] } },
    });
  });

  test('ok: resourceName where there is one; a setting has the only name it can have', () => {
    const nameOf = (kind: string, fields: object) =>
      (readEnvelope(kindOf(kind), object(fields)).document['metadata'] as { name: string }).name;
    expect(nameOf('user', { resourceName: 'joe@example.com', spec: {} })).toBe('joe@example.com');
    expect(nameOf('cluster_auth_preference', { resourceName: 'other' })).toBe('cluster-auth-preference');
  });

  test('ok: policies and annotations mean something only as they are written', () => {
    const of = (fields: object, annotations: object = {}) =>
      readEnvelope(role, object(fields, { annotations }));
    expect(of({})).toMatchObject({
      isRetained: false,
      isPaused: false,
      isAdopting: false,
      clusterName: undefined,
    });
    expect(
      of(
        { deletionPolicy: 'Retain', clusterRef: { name: 'main', namespace: 'other' } },
        { 'gatehouse.dev/paused': 'true', 'gatehouse.dev/adopt': 'true' },
      ),
    ).toMatchObject({ isRetained: true, isPaused: true, isAdopting: true, clusterName: 'main' });
    expect(of({ deletionPolicy: 'retain' }, { 'gatehouse.dev/adopt': 'yes' })).toMatchObject({
      isRetained: false,
      isAdopting: false,
    });
  });
});

describe('Secrets', () => {
  test('ok: every reference is found, wherever the schema has a secret, and filled in', () => {
    const spec = {
      client_secret: ref('one'),
      servers: [
        { url: 'a', password: ref('two') },
        { url: 'b', password: ref('three', 'pw') },
      ],
      by_name: { x: ref('four') },
      login: { key: ref('five') },
    };
    const { secretRefs, problems, document } = readEnvelope(secretive, object({ spec }));
    expect(problems).toEqual([]);
    expect(secretRefs.map(({ path, name, key }) => [path.join('.'), name, key])).toEqual([
      ['spec.client_secret', 'one', 'value'],
      ['spec.servers.0.password', 'two', 'value'],
      ['spec.servers.1.password', 'three', 'pw'],
      ['spec.by_name.x', 'four', 'value'],
      ['spec.login.key', 'five', 'value'],
    ]);
    const filled = secretRefs.reduce<unknown>((made, { path }) => withValue(made, path, 'sesame'), document);
    expect(filled).toMatchObject({
      spec: {
        client_secret: 'sesame',
        servers: [
          { url: 'a', password: 'sesame' },
          { url: 'b', password: 'sesame' },
        ],
        by_name: { x: 'sesame' },
        login: { key: 'sesame' },
      },
    });
    expect(checkResource(secretive, filled)).toMatchObject({ ok: true });
    expect(spec.client_secret).toEqual(ref('one'));
  });

  test('refuses: S37 a secret in clear, a path or another namespace in a reference', () => {
    for (const value of [
      'in clear',
      { secretKeyRef: { name: '../../kube-system/secrets/x', key: 'a' } },
      { secretKeyRef: { name: 'a/b', key: 'a' } },
      { secretKeyRef: { name: 'a', key: '../x' } },
      { secretKeyRef: { name: 'a', key: '' } },
      { secretKeyRef: { name: '', key: 'a' } },
      { secretKeyRef: { name: 'a%2Fb', key: 'a' } },
      { secretKeyRef: { name: ['a'], key: 'a' } },
      { secretKeyRef: 'a' },
      {},
      7,
    ]) {
      const { secretRefs, problems } = readEnvelope(secretive, object({ spec: { client_secret: value } }));
      expect(secretRefs).toEqual([]);
      const lines = problemLines(problems, { secretRefs });
      expect(lines.join()).toMatch(/^spec.client_secret: .*secretKeyRef/);
      expect(lines.join()).not.toContain('in clear');
    }
    const elsewhere = { secretKeyRef: { name: 'a', key: 'b', namespace: 'kube-system' } };
    const { secretRefs } = readEnvelope(secretive, object({ spec: { client_secret: elsewhere } }));
    expect(secretRefs).toEqual([{ path: ['spec', 'client_secret'], name: 'a', key: 'b' }]);
  });

  test('S36 what is wrong with the value of a Secret is said without the value', () => {
    const { document, secretRefs } = readEnvelope(
      secretive,
      object({ spec: { by_name: { x: ref('four') } } }),
    );
    const checked = checkResource(
      secretive,
      withValue(document, secretRefs[0]!.path, 'much-too-long-a-secret'),
    );
    const lines = checked.ok ? [] : problemLines(checked.problems, { secretRefs });
    expect(lines).toEqual(['spec.by_name.x: the value of key "value" of the Secret "four" does not fit']);
    const token = readEnvelope(kindOf('token'), object({ nameFrom: ref('t'), spec: { roles: ['node'] } }));
    const short = checkResource(kindOf('token'), withValue(token.document, ['metadata', 'name'], 'short'));
    expect(short.ok ? [] : problemLines(short.problems, token)).toEqual([
      'nameFrom: the value of key "value" of the Secret "t" does not fit',
    ]);
  });

  test('S37 property: whatever an object holds is read without an exception, and leads to no name that is a path', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (spec, nameFrom, clusterRef) => {
        for (const kind of [role, secretive, kindOf('token')]) {
          const read = readEnvelope(kind, object({ spec, nameFrom, clusterRef }));
          for (const { name } of read.secretRefs) expect(name).not.toContain('/');
          checkResource(kind, read.document);
        }
        findSecretRefs(secretive.spec, spec, ['spec']);
      }),
    );
  });
});

test('ok: paths of problems are those of the custom resource', () => {
  const lines = (problems: { path: (string | number)[]; message: string }[]) =>
    problemLines(problems, { secretRefs: [] });
  const wrong = (...path: (string | number)[]) => ({ path, message: 'is wrong' });
  expect(
    lines([
      wrong('spec', 'allow', 'rules', 0, 'verbs'),
      wrong('metadata', 'name'),
      wrong('metadata', 'expires'),
      wrong('metadata', 'description'),
      wrong('sub_kind'),
    ]),
  ).toEqual([
    'spec.allow.rules[0].verbs: is wrong',
    'resourceName: is wrong',
    'expires: is wrong',
    'metadata.annotations["gatehouse.dev/description"]: is wrong',
    'subKind: is wrong',
  ]);
});
