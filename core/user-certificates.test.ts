// Verified certificates are kept, and what is kept never lets in what a look would refuse.
import { expect, it } from 'vitest';
import { startTestAuth } from '#test/kit/auth-server.ts';
import { derFromPem } from './certs/x509/pem.ts';
import { parseX509 } from './certs/x509/parse.ts';
import { UserCertificates } from './user-certificates.ts';

const HOUR = 3_600_000;

it('S8 ok: kept by its bytes until its end, and for these authorities alone', async () => {
  const house = await startTestAuth();
  try {
    const of = (type: 'user' | 'host') =>
      house.auth.authorities.publicPart(type).tlsCertificates.map((pem) => parseX509(derFromPem(pem)));
    const authorities = of('user');
    const now = house.clock.now();
    const context = { authorities, clusterName: 'test.example.com', now };
    const client = await house.issueUser('joe', ['access'], { ttlMs: HOUR });
    const der = derFromPem(client.certificate);
    const known = new UserCertificates();
    const first = known.verify(der, context);
    expect(first.identity.name).toBe('joe');
    expect(known.verify(Uint8Array.from(der), context)).toBe(first);
    expect(known.verify(der, { ...context, now: now + 59_999 })).toBe(first);
    expect(known.verify(der, { ...context, now: now + 60_000 })).not.toBe(first);
    const refused = expect.objectContaining({ code: 'CERTIFICATE_INVALID' });
    const late = { ...context, now: first.validBefore };
    expect(() => known.verify(der, late)).toThrow(refused);
    known.verify(der, { ...context, now: first.validBefore - 1 });
    expect(() => known.verify(der, late)).toThrow(refused);
    known.verify(der, context);
    expect(() => known.verify(der, { ...context, now: now - 24 * HOUR })).toThrow(refused);
    expect(() => known.verify(der, { ...context, authorities: of('host') })).toThrow(refused);
    expect(() => known.verify(der, { ...context, clusterName: 'other' })).toThrow(refused);
    const changed = Uint8Array.from(der);
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    known.verify(der, context);
    expect(() => known.verify(changed, context)).toThrow(refused);
    const host = derFromPem(house.issueHost(['node']).certificate);
    expect(() => known.verify(host, { ...context, authorities: of('host') })).toThrow(refused);
  } finally {
    await house.close();
  }
});
