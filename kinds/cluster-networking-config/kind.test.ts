import { describe, expect, it } from 'vitest';
import { parseResource } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { networkingConfigKind } from './kind.ts';

const networking = (spec: object): object => ({ kind: 'cluster_networking_config', spec });

describe('cluster_networking_config', () => {
  it('ok: the example', () =>
    expect(exampleOf('cluster-networking-config', networkingConfigKind)).toHaveLength(1));

  it('ok: the defaults', () => {
    expect(parseResource(networkingConfigKind, networking({})).spec).toEqual({
      client_idle_timeout: '0s',
      web_idle_timeout: '0s',
      keep_alive_interval: '5m',
      keep_alive_count_max: 3,
      session_control_timeout: '2m',
      proxy_listener_mode: 'multiplex',
      routing_strategy: 'unambiguous_match',
    });
  });

  it.each([
    [0, 'separate'],
    ['1', 'multiplex'],
    ['separate', 'separate'],
  ])('ok: the listener mode %j', (given, mode) => {
    expect(
      parseResource(networkingConfigKind, networking({ proxy_listener_mode: given })).spec
        .proxy_listener_mode,
    ).toBe(mode);
  });

  it.each([
    [
      'a duration without a unit',
      { client_idle_timeout: '30' },
      'spec.client_idle_timeout: must be a duration',
    ],
    [
      'a slip',
      { keep_alive_intervall: '1m' },
      'spec.keep_alive_intervall: is not a known field; did you mean "keep_alive_interval"?',
    ],
    [
      'probes without end',
      { keep_alive_interval: '0s' },
      'spec.keep_alive_interval: must be at least 1 seconds',
    ],
    [
      'no probes',
      { keep_alive_count_max: 0 },
      'spec.keep_alive_count_max: must be a whole number, 1 to 1000',
    ],
  ])('refuses: %s', (_name, spec, message) => {
    expect(problemsOf(networkingConfigKind, networking(spec))).toEqual([expect.stringContaining(message)]);
  });
});
