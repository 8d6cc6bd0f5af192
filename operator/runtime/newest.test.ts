import { expect, it } from 'vitest';
import type { KubeObject } from '../kube/kube.ts';
import { Newest } from './newest.ts';

const version = (resourceVersion: string, uid = 'one'): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { namespace: 'n', name: 'x', uid, resourceVersion },
});

it('ok: what was written counts until the copy has it, or something newer', () => {
  const newest = new Newest();
  newest.note(version('100'));
  expect(newest.of(version('99'))).toEqual(version('100'));
  expect(newest.of(version('100'))).toEqual(version('100'));
  expect(newest.of(version('99'))).toEqual(version('99'));
});

it('ok: another object of the name is not the one that was written; nor is one after it was forgotten', () => {
  const newest = new Newest();
  newest.note(version('100'));
  expect(newest.of(version('99', 'two'))).toEqual(version('99', 'two'));
  newest.note(version('100'));
  newest.forget({ namespace: 'n', name: 'x' });
  expect(newest.of(version('99'))).toEqual(version('99'));
});
