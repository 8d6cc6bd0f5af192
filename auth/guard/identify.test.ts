// Client certificates against the authorities of the moment, without sockets.
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuthorityType } from '../authority/authority.ts';
import { isCode } from '#core/errors/error.ts';
import { startTestAuth, type TestAuth, type TestClient } from '#test/kit/auth-server.ts';
import { Identifier } from './identify.ts';

let house: TestAuth;
let stranger: TestAuth;
beforeAll(async () => {
  house = await startTestAuth();
  stranger = await startTestAuth();
});
afterAll(async () => {
  await house.close();
  await stranger.close();
});

const socketOf = (client: TestClient | undefined): TLSSocket => {
  const certificate = client && new X509Certificate(client.certificate);
  return { getPeerX509Certificate: () => certificate } as unknown as TLSSocket;
};
const outcome = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return isCode(error) ? `${error.code} ${String(error.details['reason'] ?? '')}`.trim() : error;
  }
};

describe('identifying a connection', () => {
  test('ok: the identity and its end; nothing for a peer without a certificate', () => {
    const identifier = new Identifier({ ...house.auth, clock: house.clock });
    const host = house.issueHost(['node']);
    const found = identifier.identify(socketOf(host));
    expect(found?.identity).toEqual(host.identity);
    expect(found?.expires).toBe(Math.floor(host.expires / 1000) * 1000 + 1000);
    expect(identifier.identify(socketOf(undefined))).toBeUndefined();
  });

  test('S16 an authority that is withdrawn takes its certificates with it, on open connections too', () => {
    let trusted: TestAuth = house;
    const authorities = { publicPart: (type: AuthorityType) => trusted.auth.authorities.publicPart(type) };
    const identifier = new Identifier({ authorities, clock: house.clock, clusterName: 'test.example.com' });
    const socket = socketOf(house.issueHost(['node']));
    expect(identifier.identify(socket)).toBeDefined();
    trusted = stranger;
    expect(identifier.identify(socket)).toBeDefined();
    identifier.authoritiesChanged();
    expect(outcome(() => identifier.identify(socket))).toBe('CERTIFICATE_INVALID unknown-authority');
  });

  test('S1 S18 refuses: the certificate of an authority, and one that another leaf signed', () => {
    const identifier = new Identifier({ ...house.auth, clock: house.clock });
    const authority = house.auth.authorities.publicPart('user').tlsCertificates[0] ?? '';
    const shown = socketOf({ ...house.admin, certificate: authority });
    expect(outcome(() => identifier.identify(shown))).toBe('CERTIFICATE_INVALID identity');
    const foreign = socketOf(stranger.issueHost(['node']));
    expect(outcome(() => identifier.identify(foreign))).toBe('CERTIFICATE_INVALID unknown-authority');
  });

  test('S1 every byte of a certificate flipped: refused, and never another exception', () => {
    const identifier = new Identifier({ ...house.auth, clock: house.clock });
    const der = new Uint8Array(new X509Certificate(house.issueHost(['node']).certificate).raw);
    for (let at = 0; at < der.length; at++) {
      const bad = der.slice();
      bad[at] = (bad[at] ?? 0) ^ 0x01;
      expect(String(outcome(() => identifier.verify(bad))), `byte ${at}`).toMatch(/^CERTIFICATE_INVALID/);
    }
  });
});
