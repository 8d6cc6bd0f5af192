// The settings of the config file against those that admins make.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import type { EventInput } from '#events/catalogue.ts';
import { KINDS } from '#kinds/all.ts';
import { makeResource, startTestState, type TestState } from '#test/kit/state.ts';
import { openState } from '../state/open.ts';
import { applySettings, ORIGIN_LABEL, SETTING_KINDS, type SettingsOptions } from './settings.ts';

let house: TestState;
let events: EventInput[];
beforeEach(async () => {
  house = await startTestState();
  events = [];
});
afterEach(() => house.close());

const apply = (settings: SettingsOptions['settings'], state = house.state) =>
  applySettings({ state, audit: { emit: (event) => void events.push(event) }, log: silentLog, settings });
const preference = () => house.state.get('cluster_auth_preference', 'cluster-auth-preference');
const setByAdmin = (spec: object, metadata: object = {}) =>
  house.state.write([
    {
      do: 'put',
      resource: makeResource('cluster_auth_preference', 'cluster-auth-preference', spec, metadata),
    },
  ]);

describe('settings at start', () => {
  test('ok: without any in the file each gets its defaults, once', async () => {
    await apply({});
    for (const kind of SETTING_KINDS) expect([...house.state.list(kind)]).toHaveLength(1);
    expect(preference()?.spec).toMatchObject({ type: 'local', second_factor: 'otp' });
    expect(preference()?.metadata.labels).toBeUndefined();
    const revision = await house.backend.revision();
    await apply({});
    expect(await house.backend.revision()).toBe(revision);
    expect(events).toEqual([]);
  });

  test('ok: a field of the file wins, the others stay as an admin set them; labels and the event say so', async () => {
    await setByAdmin({ second_factor: 'off', message_of_the_day: 'hello' }, { labels: { team: 'a' } });
    await apply({ cluster_auth_preference: { second_factor: 'on' } });
    expect(preference()).toMatchObject({
      metadata: { labels: { team: 'a', [ORIGIN_LABEL]: 'config-file' } },
      spec: { second_factor: 'on', message_of_the_day: 'hello' },
    });
    expect(events).toMatchObject([
      {
        event: 'auth_preference.update',
        reason: 'config file',
        fields_changed: expect.arrayContaining(['spec.second_factor']),
      },
    ]);
    await apply({ cluster_auth_preference: { second_factor: 'on' } });
    expect(events).toHaveLength(1);
  });

  test('ok: an admin may change it while the service runs; the next start takes the file again', async () => {
    await apply({ cluster_auth_preference: { second_factor: 'on' } });
    await setByAdmin({ second_factor: 'off' });
    await apply({ cluster_auth_preference: { second_factor: 'on' } });
    expect(preference()?.spec).toMatchObject({ second_factor: 'on' });
  });

  test('ok: when the file says no more, the value stays and the label goes', async () => {
    await apply({ cluster_auth_preference: { second_factor: 'on' } });
    await apply({});
    expect(preference()?.spec).toMatchObject({ second_factor: 'on' });
    expect(preference()?.metadata.labels).toBeUndefined();
  });

  test.each([
    ['a bad value', { cluster_auth_preference: { second_factor: 'maybe' } }],
    ['an unknown field', { session_recording_config: { modus: 'off' } }],
    ['a value that does not fit what an admin set', { cluster_auth_preference: { second_factor: 'off' } }],
  ])('refuses: %s, and changes nothing', async (_title, settings) => {
    await setByAdmin({ require_session_mfa: true });
    await apply({});
    const revision = await house.backend.revision();
    const error = await apply(settings).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GatehouseError);
    expect(error).toMatchObject({ code: 'INVALID_CONFIG', message: expect.stringContaining('auth_service') });
    expect(await house.backend.revision()).toBe(revision);
  });

  test('ok: two auth servers that start together agree', async () => {
    const { backend, clock } = house;
    const other = openState({ backend, kinds: KINDS, clock, log: silentLog });
    await other.ready;
    const settings = { cluster_networking_config: { client_idle_timeout: '15m' } };
    await Promise.all([apply(settings), apply(settings, other)]);
    const [networking] = [...house.state.list('cluster_networking_config')];
    expect(networking?.spec).toMatchObject({ client_idle_timeout: '15m' });
    await other.close();
  });
});
