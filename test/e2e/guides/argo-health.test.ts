// The health script for Argo CD on docs/guide/gitops.md, run by Lua 5.1, as Argo CD does: it says what kstatus says.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { kstatus, type Condition, type CustomObject } from '../kubernetes/kstatus.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/guide/gitops.md'), 'utf8');

function script(): string {
  const blocks = PAGE.split('```yaml\n').map((block) => block.split('\n```')[0] ?? '');
  const block = blocks.find((one) => one.includes('health.lua')) ?? '';
  const { data } = parse(block) as { data: { 'resource.customizations': string } };
  const all = parse(data['resource.customizations']) as Record<string, { 'health.lua': string }>;
  return all['gatehouse.dev/*']?.['health.lua'] ?? '';
}

/** A value as Lua writes it. */
function lua(value: unknown): string {
  if (value === null || value === undefined) return 'nil';
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `{${value.map(lua).join(', ')}}`;
  const fields = Object.entries(value).map(([key, item]) => `[${JSON.stringify(key)}] = ${lua(item)}`);
  return `{${fields.join(', ')}}`;
}

function healthOf(object: CustomObject): { status: string; message: string } {
  const program = `local function health(obj)\n${script()}\nend
local hs = health(${lua(object)})
io.write(hs.status, "\\n", hs.message)`;
  const { stdout, stderr } = spawnSync('lua5.1', ['-'], { input: program, encoding: 'utf8' });
  expect(stderr).toBe('');
  const [status = '', message = ''] = stdout.split('\n');
  return { status, message };
}

function object(
  observedGeneration: number | undefined,
  conditions: readonly string[] | undefined,
  metadata: Partial<CustomObject['metadata']> = {},
): CustomObject {
  const read = (text: string): Condition => {
    const [type = '', status = ''] = text.split('=');
    return { type, status, reason: 'R', message: `${type} speaks`, observedGeneration: 3 };
  };
  return {
    apiVersion: 'gatehouse.dev/v1',
    kind: 'GatehouseRole',
    metadata: { name: 'one', uid: 'u', generation: 3, resourceVersion: '1', ...metadata },
    ...(observedGeneration === undefined
      ? {}
      : {
          status: { observedGeneration, ...(conditions && { conditions: conditions.map(read) }) },
        }),
  };
}

const SAME = {
  Current: 'Healthy',
  InProgress: 'Progressing',
  Failed: 'Degraded',
  Terminating: 'Progressing',
};

test.each([
  ['not looked at', object(0, undefined), 'the operator has not looked at it yet'],
  ['an older generation', object(2, ['Ready=True']), 'the operator has not looked at it yet'],
  ['as it says', object(3, ['Ready=True', 'Progressing=False']), 'Ready speaks'],
  ['waiting', object(3, ['Ready=False', 'Progressing=True']), 'Ready speaks'],
  ['in conflict', object(3, ['Ready=False', 'Conflict=True', 'Stalled=True']), 'Stalled speaks'],
  ['upgraded', object(3, ['Ready=True', 'Progressing=True', 'Reconciling=True']), 'Reconciling speaks'],
  ['rolled back', object(3, ['Ready=True', 'Progressing=False', 'Stalled=True']), 'Stalled speaks'],
  [
    'going back',
    object(3, ['Ready=True', 'Progressing=True', 'Reconciling=True', 'Stalled=True']),
    'Reconciling speaks',
  ],
  [
    'deleted',
    object(3, ['Ready=True'], { deletionTimestamp: '2026-01-01T00:00:00Z' }),
    'it is being deleted',
  ],
])('ok: Argo CD sees an object that is %s as kstatus does', (_what, one, message) => {
  expect(healthOf(one)).toEqual({ status: SAME[kstatus(one)], message });
});

test('ok: a paused object is suspended', () => {
  const paused = object(2, ['Ready=True'], { annotations: { 'gatehouse.dev/paused': 'true' } });
  expect(healthOf(paused)).toEqual({ status: 'Suspended', message: 'it is paused' });
  expect(healthOf(object(undefined, undefined)).status).toBe('Progressing');
});
