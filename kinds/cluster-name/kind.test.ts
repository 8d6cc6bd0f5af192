import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf, readerOf, writeProblemsOf } from '#test/kit/resources.ts';
import { clusterNameKind } from './kind.ts';

const named = (cluster_name: string, more: object = {}) => ({
  kind: 'cluster_name',
  metadata: { name: 'cluster-name' },
  spec: { cluster_name, ...more },
});
const stored = parseResource(clusterNameKind, named('staging.example.com', { cluster_id: 'c1' }));

describe('cluster_name', () => {
  it('ok: the example', () => expect(exampleOf('cluster-name', clusterNameKind)).toHaveLength(1));

  it.each([
    'teleport-aws-us-east-1',
    'staging.example.com',
    'main',
    'b52537e4-5d2a-4f0b-b5a2-8e1a3d3a5c11',
    'Prod_1.example.com',
  ])('ok: the name %s', (name) => expect(problemsOf(clusterNameKind, named(name))).toEqual([]));

  it.each([
    '',
    'a b',
    'a,b',
    '*.example.com',
    '-a',
    'a-',
    'a..b',
    '.a',
    'a.',
    'münchen',
    'a/b',
    'x'.repeat(64),
    `${'x.'.repeat(95)}xx`,
  ])('S3 the name %j is refused', (name) => {
    expect(problemsOf(clusterNameKind, named(name))).toEqual([
      expect.stringContaining('spec.cluster_name: must be a DNS name'),
    ]);
  });

  it('ok: written again without a change, or for the first time', () => {
    expect(writeProblemsOf(clusterNameKind, stored, [stored])).toEqual([]);
    expect(writeProblemsOf(clusterNameKind, stored, [])).toEqual([]);
  });

  it('refuses: a change of the name or of the id, and removal', () => {
    const other = parseResource(clusterNameKind, named('prod.example.com'));
    expect(writeProblemsOf(clusterNameKind, other, [stored])).toEqual([
      expect.stringContaining('spec.cluster_name: cannot be changed from "staging.example.com"'),
      expect.stringContaining('spec.cluster_id: cannot be changed from "c1"'),
    ]);
    expect(clusterNameKind.checkDelete?.(stored, readerOf([stored]))).toHaveLength(1);
  });

  it('refuses: a second record', () => {
    expect(problemsOf(clusterNameKind, { ...named('a'), metadata: { name: 'other' } })).toEqual([
      expect.stringContaining('metadata.name: must be one of cluster-name'),
    ]);
  });
});
