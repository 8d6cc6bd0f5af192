import { describe, expect, it } from 'vitest';
import { checkResource, withoutSecrets } from '#core/kind.ts';
import { webSessionKind } from './kind.ts';

const ID = '3f0c6b7a1d2e4f508192a3b4c5d6e7f8';
const document = (spec: object, metadata: object = {}) => ({
  kind: 'web_session',
  metadata: { name: ID, expires: '2026-02-01T03:04:05Z', ...metadata },
  spec: { type: 'app', user: 'joe', created: '2026-01-31T15:04:05Z', secret_hash: 'h', ...spec },
});

describe('web_session', () => {
  it('ok: a session of the web has an identity, one of an application a certificate', () => {
    expect(checkResource(webSessionKind, document({ app: 'grafana', certificate: 'AAAA' })).ok).toBe(true);
    expect(checkResource(webSessionKind, document({ type: 'web', identity: '{}' })).ok).toBe(true);
  });

  it('refuses: other names, and sessions without an end', () => {
    for (const bad of [document({}, { name: 'joe' }), document({}, { expires: undefined })]) {
      expect(checkResource(webSessionKind, bad).ok).toBe(false);
    }
  });

  it('S12 refuses: to show what a cookie or a certificate could be made of', () => {
    const checked = checkResource(webSessionKind, document({ certificate: 'AAAA' }));
    if (!checked.ok) throw new Error('it must be good');
    const shown = JSON.stringify(withoutSecrets(webSessionKind, checked.value));
    expect(shown).not.toContain('AAAA');
    expect(shown).not.toContain('secret_hash');
  });
});
