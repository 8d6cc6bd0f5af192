import { describe, expect, it } from 'vitest';
import { isCode } from './errors/error.ts';
import type { Identity } from './identity.ts';
import { readSshIdentity, SSH_IDENTITY_EXTENSION, writeSshIdentity } from './ssh-identity.ts';

const host: Identity = { kind: 'host', cluster: 'c', host_id: 'h', name: 'n', roles: ['node'] };

describe('identity in SSH certificates', () => {
  it('ok: what is written is read', () => {
    expect(readSshIdentity(new Map([[SSH_IDENTITY_EXTENSION, writeSshIdentity(host)]]))).toEqual(host);
  });

  it.each<[string, ReadonlyMap<string, string>]>([
    ['a certificate without one', new Map()],
    ['what is not JSON', new Map([[SSH_IDENTITY_EXTENSION, 'x']])],
    ['another shape', new Map([[SSH_IDENTITY_EXTENSION, '{"kind":"root"}']])],
    ['an unknown field', new Map([[SSH_IDENTITY_EXTENSION, JSON.stringify({ ...host, admin: true })]])],
    [
      'a role that is none',
      new Map([[SSH_IDENTITY_EXTENSION, JSON.stringify({ ...host, roles: ['root'] })]]),
    ],
    [
      'more than 16 KiB',
      new Map([[SSH_IDENTITY_EXTENSION, JSON.stringify({ ...host, name: 'x'.repeat(17_000) })]]),
    ],
  ])('refuses: %s', (_title, extensions) => {
    try {
      readSshIdentity(extensions);
      expect.unreachable();
    } catch (error) {
      expect(isCode(error, 'CERTIFICATE_INVALID')).toBe(true);
    }
  });
});
