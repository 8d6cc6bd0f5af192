import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { sessionRecordingConfigKind } from './kind.ts';

const recording = (spec: object): object => ({ kind: 'session_recording_config', spec });

describe('session_recording_config', () => {
  it('ok: the example', () =>
    expect(exampleOf('session-recording-config', sessionRecordingConfigKind)).toHaveLength(1));

  it.each([
    [{}, 'node'],
    [{ mode: false }, 'off'],
    [{ mode: 'proxy-sync' }, 'proxy-sync'],
  ])('ok: %j', (spec, mode) => {
    expect(parseResource(sessionRecordingConfigKind, recording(spec)).spec.mode).toBe(mode);
  });

  it('refuses: a slip', () => {
    expect(problemsOf(sessionRecordingConfigKind, recording({ mode: 'proxy_sync' }))).toEqual([
      'spec.mode: must be one of node, proxy, node-sync, proxy-sync, off; did you mean "proxy-sync"?',
    ]);
  });
});
