// Where sessions are recorded: one record per cluster. The config file of the auth service can set the same fields.
import { RECORDING_MODES } from '#core/cluster-settings.ts';
import { defineKind } from '#core/kind.ts';
import * as s from '#core/schema/schema.ts';

const spec = s.object({
  mode: s.withDefault(
    s.enumOf(RECORDING_MODES, {
      description:
        'Who records: the node or the proxy; -sync streams while the session runs, off records nothing.',
    }),
    'node',
  ),
  proxy_checks_host_keys: s.withDefault(
    s.boolean({ description: 'A recording proxy refuses nodes whose host certificate it cannot check.' }),
    true,
  ),
});

export type SessionRecordingConfigSpec = s.Infer<typeof spec>;

export const sessionRecordingConfigKind = defineKind<SessionRecordingConfigSpec>({
  name: 'session_recording_config',
  aliases: ['recording_config'],
  description: 'Where sessions of the cluster are recorded.',
  versions: ['v1', 'v2'],
  singleton: 'session-recording-config',
  spec,
  columns: [
    { title: 'Mode', value: (record) => record.spec.mode },
    { title: 'Proxy Checks Host Keys', value: (record) => String(record.spec.proxy_checks_host_keys) },
  ],
});
