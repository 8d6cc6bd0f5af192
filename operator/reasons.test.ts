// The table of reasons in the guide has all that the operator tells, and no other. A new word in CamelCase in these rooms is
// a reason, with its row, or stands here among those that are none.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOMS = ['cluster', 'mirror', 'storage'];
const GUIDE = join(import.meta.dirname, '../docs/guide/kubernetes.md');
const LITERAL = /'([A-Z][a-z]+[A-Za-z]*)'/g;
const NO_REASONS = new Set([
  // Types of conditions and their values.
  'Ready',
  'Progressing',
  'Reconciling',
  'Stalled',
  'True',
  'False',
  'Unknown',
  // How pods are seen; conditions say it in their message.
  'Absent',
  'Rolling',
  'NotAnswering',
  'Error',
  // Words of Kubernetes.
  'Normal',
  'Warning',
  'Retain',
  'Delete',
  'Always',
  'None',
  'PodScheduled',
  'Namespaced',
  'ConfigMap',
  'Service',
  'ServiceAccount',
  'StatefulSet',
  'PodDisruptionBudget',
  'Certificate',
  'PersistentVolumeClaim',
  'ClusterRole',
  'ClusterRoleBinding',
  'ClusterIP',
]);

function literals(): ReadonlySet<string> {
  const files = ROOMS.flatMap((room) =>
    readdirSync(join(import.meta.dirname, room))
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => readFileSync(join(import.meta.dirname, room, name), 'utf8')),
  );
  return new Set(files.flatMap((text) => [...text.matchAll(LITERAL)].map(([, word = '']) => word)));
}

test('ok: each reason has a row in the guide, and each row is a reason', () => {
  const told = [...literals()].filter((word) => !NO_REASONS.has(word)).sort();
  const rows = readFileSync(GUIDE, 'utf8')
    .split('\n')
    .filter((line) => /^\| `[A-Z]/.test(line))
    .flatMap((line) => [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, word = '']) => word));
  expect(rows.toSorted()).toEqual(told);
});
