// Preset roles at start: new ones, older texts, changed ones, two servers at once.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { KINDS } from '#kinds/all.ts';
import type { EventInput } from '#events/catalogue.ts';
import type { Role } from '#kinds/role/kind.ts';
import { PRESET_LABEL, presetDigest, presetRoles } from '#kinds/role/presets.ts';
import { startTestState, type TestState } from '#test/kit/state.ts';
import { openState } from '../state/open.ts';
import { applyPresetRoles } from './roles.ts';

const NAMES = presetRoles().map(({ metadata }) => metadata.name);
let house: TestState;
let events: EventInput[];
beforeEach(async () => {
  house = await startTestState();
  events = [];
});
afterEach(() => house.close());

const apply = (state = house.state) =>
  applyPresetRoles({
    state,
    audit: { emit: (event) => void events.push(event) },
    log: silentLog,
    version: '1.2.3',
  });
/** A preset as an older version shipped it. */
function shippedBefore(name: string): Role {
  const role = presetRoles().find(({ metadata }) => metadata.name === name)!;
  const older = { ...role, spec: { ...role.spec, options: { ...role.spec.options, max_sessions: 3 } } };
  const labels = { [PRESET_LABEL]: presetDigest(older) };
  return { ...older, metadata: { ...older.metadata, labels } };
}

describe('preset roles at start', () => {
  test('ok: all of them on an empty store, nothing the second time', async () => {
    expect(await apply()).toEqual(NAMES);
    const revision = await house.backend.revision();
    expect(await apply()).toEqual([]);
    expect(await house.backend.revision()).toBe(revision);
    expect(events.map((event) => event.event)).toEqual(NAMES.map(() => 'preset.upgrade'));
  });

  test('ok: an older text is replaced, and the event says what changed', async () => {
    await house.state.write([{ do: 'put', resource: shippedBefore('auditor') }]);
    await apply();
    expect(house.state.get('role', 'auditor')?.spec).toEqual(
      presetRoles().find(({ metadata }) => metadata.name === 'auditor')!.spec,
    );
    expect(events.find((event) => 'name' in event && event.name === 'auditor')).toMatchObject({
      version: '1.2.3',
      fields_changed: expect.arrayContaining(['spec.options.max_sessions']),
    });
  });

  test('ok: what an admin changed is kept', async () => {
    const own = { ...shippedBefore('auditor'), spec: { ...shippedBefore('auditor').spec, deny: {} } } as Role;
    const changed = { ...own, metadata: { ...own.metadata, description: 'ours' } };
    await house.state.write([{ do: 'put', resource: changed }]);
    await apply();
    expect(house.state.get('role', 'auditor')?.metadata.description).toBe('ours');
  });

  test('ok: two auth servers that start together make each role once', async () => {
    const { backend, clock } = house;
    const other = openState({ backend, kinds: KINDS, clock, log: silentLog });
    await other.ready;
    const done = await Promise.all([apply(), apply(other)]);
    expect(done.flat().sort()).toEqual([...NAMES].sort());
    expect(events).toHaveLength(NAMES.length);
    await other.close();
  });
});
