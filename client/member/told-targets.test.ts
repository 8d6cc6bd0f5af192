// Targets that leave the lists: told until auth has heard it, and once only.
import { expect, it } from 'vitest';
import type { Resource } from '#core/resource.ts';
import { ToldTargets } from './told-targets.ts';

const document = (kind: string, name: string): Resource => ({
  kind,
  version: 'v3',
  metadata: { name },
  spec: {},
});
const db = (name: string): Resource => document('db_server', name);

it('ok: what is missing is gone until auth has heard of it', () => {
  const told = new ToldTargets();
  expect(told.gone([db('a')])).toEqual([]);
  told.heard([document('node', 'n'), db('a'), db('b'), document('app_server', 'a')]);
  expect(told.gone([db('b')])).toEqual([
    { kind: 'db_server', name: 'a' },
    { kind: 'app_server', name: 'a' },
  ]);
  expect(told.gone([])).toHaveLength(3);
  told.heard([]);
  expect(told.gone([])).toEqual([]);
});
