import { describe, expect, it } from 'vitest';
import { parseResource, withoutSecrets } from '#core/kind.ts';
import { exampleOf, problemsOf } from '#test/kit/resources.ts';
import { mfaDeviceKind, mfaDeviceName } from './kind.ts';

const device = (name: string, spec: object = {}): object => ({
  kind: 'mfa_device',
  metadata: { name },
  spec: {
    user: 'joe',
    type: 'totp',
    name: 'phone',
    secret: 'JBSWY3DPEHPK3PXP',
    added: '2026-01-31T15:04:05Z',
    ...spec,
  },
});

describe('mfa_device', () => {
  it('ok: the example, whose secret vanishes without secrets', () => {
    const [example] = exampleOf('mfa-device', mfaDeviceKind);
    expect(JSON.stringify(withoutSecrets(mfaDeviceKind, example as never))).not.toContain('JBSWY3');
  });

  it('ok: named by user and id; no code was used yet', () => {
    expect(parseResource(mfaDeviceKind, device(mfaDeviceName('joe', 'id'))).spec.last_counter).toBe(0);
  });

  it.each([
    [
      'a device under the name of another user',
      device('jo:1'),
      'metadata.name: must be the user, a colon and the id',
    ],
    ['a hardware key', device('joe:1', { type: 'webauthn' }), 'spec.type: must be one of totp'],
    ['a short secret', device('joe:1', { secret: 'JBSW' }), 'spec.secret: must have at least 16 characters'],
  ])('refuses: %s', (_name, document, message) => {
    expect(problemsOf(mfaDeviceKind, document)).toEqual([expect.stringContaining(message)]);
  });
});
