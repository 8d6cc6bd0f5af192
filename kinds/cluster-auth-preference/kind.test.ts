import { describe, expect, it } from 'vitest';
import { effectiveSecondFactor, SECOND_FACTORS } from '#core/cluster-settings.ts';
import { parseResource } from '#core/kind.ts';
import { parseReferences } from '#kinds/references.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { authPreferenceKind } from './kind.ts';

const preference = (spec: object): object => ({ kind: 'cluster_auth_preference', spec });

describe('cluster_auth_preference', () => {
  it('ok: the example', () =>
    expect(exampleOf('cluster-auth-preference', authPreferenceKind)).toHaveLength(1));

  it('ok: an empty record has the defaults, and the only name there is', () => {
    const record = parseResource(authPreferenceKind, preference({}));
    expect(record.metadata).toEqual({ name: 'cluster-auth-preference' });
    expect(record.spec).toEqual({
      type: 'local',
      second_factor: 'otp',
      allow_local_auth: true,
      require_session_mfa: false,
      disconnect_expired_cert: false,
      locking_mode: 'best_effort',
      default_session_ttl: '12h',
    });
  });

  it.each([
    ['the words on and off that YAML makes booleans of', { second_factor: false }, 'off'],
    ['one-time codes', { second_factor: 'otp' }, 'otp'],
    [
      'hardware keys, old',
      { second_factor: 'u2f', u2f: { app_id: 'https://localhost:3080', facets: ['https://localhost:3080'] } },
      'u2f',
    ],
    ['hardware keys', { second_factor: 'webauthn', webauthn: { rp_id: 'example.com' } }, 'webauthn'],
  ])('ok: %s', (_name, spec, factor) => {
    expect(parseResource(authPreferenceKind, preference(spec)).spec.second_factor).toBe(factor);
  });

  it.each(['local', 'github', 'oidc', 'saml', false])('ok: the type %s', (type) => {
    expect(parseResource(authPreferenceKind, preference({ type })).spec.type).toBe(String(type));
  });

  it('ok: cap is short for it', () => {
    expect(parseReferences('cap', { kinds: [authPreferenceKind] })).toEqual([
      { kind: authPreferenceKind, name: 'cluster-auth-preference' },
    ]);
  });

  it.each([
    [
      'a slip',
      { second_factor: 'opt' },
      'spec.second_factor: must be one of off, otp, webauthn, u2f, on, optional; did you mean "otp"?',
    ],
    ['hardware keys without their domain', { second_factor: 'webauthn' }, 'spec.webauthn: is required'],
    ['old hardware keys without their URL', { second_factor: 'u2f' }, 'spec.u2f: is required'],
    [
      'a factor per session when there is none',
      { second_factor: 'off', require_session_mfa: true },
      'spec.require_session_mfa: needs a second factor',
    ],
    [
      'a session of no time',
      { default_session_ttl: '1s' },
      'spec.default_session_ttl: must be at least 60 seconds',
    ],
  ])('refuses: %s', (_name, spec, message) => {
    expect(problemsOf(authPreferenceKind, preference(spec))).toEqual([expect.stringContaining(message)]);
  });

  it('S4 a factor that is not there yet never becomes no factor', () => {
    const without = SECOND_FACTORS.filter((factor) => effectiveSecondFactor(factor) === 'off');
    expect(without).toEqual(['off']);
    // Nor a weaker one.
    const nothing = SECOND_FACTORS.filter((factor) => effectiveSecondFactor(factor) === undefined);
    expect(nothing).toEqual(['webauthn', 'u2f']);
  });
});
