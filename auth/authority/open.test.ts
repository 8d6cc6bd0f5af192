import { afterEach, describe, expect, it } from 'vitest';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { verifySshCertificate } from '#core/certs/ssh/verify.ts';
import { generateKeyPair } from '#core/certs/x509/keys.ts';
import { parseX509 } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { verifySelfSignedCa, verifyX509 } from '#core/certs/x509/verify.ts';
import { isCode } from '#core/errors/error.ts';
import { silentLog, type Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { certAuthorityKeyKind } from '#kinds/cert-authority-key/kind.ts';
import type { CertAuthoritySpec } from '#kinds/cert-authority/kind.ts';
import { makeSshKey } from '#test/kit/certs.ts';
import { startTestState, type TestState } from '#test/kit/state.ts';
import { openState } from '../state/open.ts';
import { AUTHORITY_TYPES, type SshPlan, type TlsPlan } from './authority.ts';
import { openAuthorities, type OpenAuthorities } from './open.ts';
import { makeAuthority, type CaSignatureAlgorithm } from './records.ts';

const opened: TestState[] = [];
afterEach(async () => {
  for (const test of opened.splice(0)) await test.close();
});
async function start(): Promise<TestState> {
  const test = await startTestState();
  opened.push(test);
  return test;
}
const open = (
  { state, clock }: Pick<TestState, 'state' | 'clock'>,
  more: { clusterName?: string; signatureAlgorithm?: CaSignatureAlgorithm; log?: Log } = {},
): Promise<OpenAuthorities> =>
  openAuthorities({ state, clock, clusterName: 'staging.example.com', log: silentLog, ...more });

const HOUR = 3_600_000;
const sshPlan = (now: number): SshPlan => ({
  type: 'user',
  subject: makeSshKey().blob,
  keyId: 'joe',
  principals: ['root'],
  validAfter: now - 60_000,
  validBefore: now + HOUR,
  criticalOptions: {},
  extensions: { 'permit-pty': '' },
});
const tlsPlan = (now: number): TlsPlan => ({
  subject: generateKeyPair('ecdsa-p256').publicKey,
  commonName: 'joe',
  organization: ['dev'],
  validAfter: now - 60_000,
  validBefore: now + HOUR,
  usage: 'client',
  dnsNames: [],
  ipAddresses: [],
  identity: { kind: 'admin' },
});

describe('certificate authorities', () => {
  it('ok: the first start makes all of them, with names, ten years and no authority below', async () => {
    const test = await start();
    const authorities = await open(test);
    expect(authorities.created).toBe(true);
    for (const type of AUTHORITY_TYPES) {
      const part = authorities.publicPart(type);
      expect(part.sshPublicKeys).toHaveLength(type === 'user' || type === 'host' ? 1 : 0);
      const certificate = verifySelfSignedCa(derFromPem(part.tlsCertificates[0]!), test.clock.now());
      expect(certificate.subject).toMatchObject({ commonName: 'staging.example.com', organization: [type] });
      expect(certificate.pathLen).toBe(0);
      expect((certificate.notAfter - test.clock.now()) / (365.25 * 24 * HOUR)).toBeCloseTo(10, 2);
      expect(
        (test.state.get('cert_authority', type)!.spec as CertAuthoritySpec).rotation?.last_rotated,
      ).toBeUndefined();
    }
    expect(authorities.caPins()).toEqual([expect.stringMatching(/^sha256:[0-9a-f]{64}$/)]);
  });

  it('ok: a cluster from before there were tokens gets their authority at its next start', async () => {
    const test = await start();
    (await open(test)).close();
    const name = 'jwt';
    await test.state.write([
      { do: 'delete', kind: 'cert_authority', name },
      { do: 'delete', kind: 'cert_authority_key', name },
    ]);
    const authorities = await open(test);
    expect(authorities.created).toBe(false);
    expect(authorities.publicPart('jwt').tlsCertificates).toHaveLength(1);
    expect(authorities.signJwt({ sub: 'joe' }).split('.')).toHaveLength(3);
  });

  it('ok: what they sign verifies against the public part, and only of the right type', async () => {
    const test = await start();
    const authorities = await open(test);
    const now = test.clock.now();
    const keys = (type: 'user' | 'host') =>
      authorities.publicPart(type).sshPublicKeys.map((line) => parseAuthorizedKey(line).key);
    const blob = authorities.signSsh('user', sshPlan(now));
    const context = { type: 'user', principal: 'root', now } as const;
    expect(verifySshCertificate(blob, { ...context, authorities: keys('user') }).permitPty).toBe(true);
    expect(() => verifySshCertificate(blob, { ...context, authorities: keys('host') })).toThrow(
      /trusted authority/,
    );
    const der = authorities.signTls('user', tlsPlan(now));
    const cas = (type: 'user' | 'host') =>
      authorities.publicPart(type).tlsCertificates.map((pem) => parseX509(derFromPem(pem)));
    const check = { purpose: 'clientAuth', now } as const;
    expect(verifyX509(der, { ...check, authorities: cas('user') }).subject.commonName).toBe('joe');
    // S11: a certificate of one authority is nothing to another, though both carry the name of the cluster.
    expect(() => verifyX509(der, { ...check, authorities: cas('host') })).toThrow();
  });

  it('ok: private keys are in the store alone, apart from the public half', async () => {
    const test = await start();
    await open(test);
    for (const type of AUTHORITY_TYPES) {
      expect(JSON.stringify(test.state.get('cert_authority', type))).not.toContain('PRIVATE');
      const secret = await test.state.read(certAuthorityKeyKind, type);
      expect(JSON.stringify(secret)).toContain('PRIVATE KEY');
    }
  });

  it('ok: two auth servers that start at once share the authorities', async () => {
    const test = await start();
    const other = openState({ backend: test.backend, kinds: KINDS, clock: test.clock, log: silentLog });
    const [one, two] = await Promise.all([open(test), open({ state: other, clock: test.clock })]);
    expect(one.caPins()).toEqual(two.caPins());
    for (const type of AUTHORITY_TYPES) expect(one.publicPart(type)).toEqual(two.publicPart(type));
    const blob = two.signSsh('user', sshPlan(test.clock.now()));
    expect(parseSshCertificate(blob).authority.blob).toEqual(
      parseAuthorizedKey(one.publicPart('user').sshPublicKeys[0]!).key.blob,
    );
    await other.close();
  });

  it('ok: a later start loads what is there', async () => {
    const test = await start();
    const first = await open(test);
    const second = await open(test);
    expect(second.created).toBe(false);
    expect(second.caPins()).toEqual(first.caPins());
  });

  it('refuses: a store of another cluster', async () => {
    const test = await start();
    await open(test);
    const error = await open(test, { clusterName: 'prod.example.com' }).catch((caught: unknown) => caught);
    expect(isCode(error, 'INVALID_CONFIG')).toBe(true);
    expect(String(error)).toContain('staging.example.com');
  });

  it('refuses: to start when a private key is missing or is another one', async () => {
    const test = await start();
    await open(test);
    const foreign = await makeAuthority('user', 'staging.example.com', 'ed25519', test.clock.now());
    await test.state.write([{ do: 'put', resource: foreign.secret }]);
    const error = await open(test).catch((caught: unknown) => caught);
    expect(isCode(error, 'CORRUPT')).toBe(true);
    await test.state.write([{ do: 'delete', kind: 'cert_authority_key', name: 'host' }]);
    expect(String(await open(test).catch((caught: unknown) => caught))).not.toContain('PRIVATE');
  });

  it('ok: a rotated authority is used at once, and the old one stays trusted', async () => {
    const test = await start();
    const authorities = await open(test);
    const old = test.state.get('cert_authority', 'user') as Resource<CertAuthoritySpec>;
    const next = await makeAuthority('user', 'staging.example.com', 'ed25519', test.clock.now());
    await test.state.write([
      {
        do: 'put',
        resource: {
          ...next.open,
          spec: { ...next.open.spec, additional_trusted_keys: old.spec.active_keys },
        },
      },
      { do: 'put', resource: next.secret },
    ]);
    await authorities.settled();
    expect(authorities.publicPart('user').tlsCertificates).toHaveLength(2);
    const blob = authorities.signSsh('user', sshPlan(test.clock.now()));
    expect(parseSshCertificate(blob).authority.blob).toEqual(
      parseAuthorizedKey(next.open.spec.active_keys.ssh[0]!.public_key).key.blob,
    );
    authorities.close();
  });

  const rotate = async (test: TestState): Promise<void> => {
    const next = await makeAuthority('user', 'staging.example.com', 'ed25519', test.clock.now());
    await test.state.write([
      { do: 'put', resource: next.open },
      { do: 'put', resource: next.secret },
    ]);
  };
  const isTrusted = (authorities: OpenAuthorities, now: number): boolean => {
    const keys = authorities.publicPart('user').sshPublicKeys.map((line) => parseAuthorizedKey(line).key);
    const blob = authorities.signSsh('user', sshPlan(now));
    try {
      return verifySshCertificate(blob, { type: 'user', principal: 'root', now, authorities: keys })
        .permitPty;
    } catch {
      return false;
    }
  };

  it('ok: a rotation that meets a store which does not answer is taken up when it does', async () => {
    const test = await start();
    let failures = 0;
    const read: typeof test.state.read = (kind, name) =>
      failures-- > 0 ? Promise.reject(new Error('the disk is away')) : test.state.read(kind, name);
    const authorities = await open({ ...test, state: { ...test.state, read } });
    failures = 2;
    await rotate(test);
    await authorities.settled();
    expect(isTrusted(authorities, test.clock.now())).toBe(false);
    for (let turn = 0; turn < 2; turn++) {
      await test.clock.advance(30_000);
      await authorities.settled();
    }
    expect(isTrusted(authorities, test.clock.now())).toBe(true);
    authorities.close();
  });

  it('ok: a rotation in the middle of a start is not missed', async () => {
    const test = await start();
    await open(test);
    let isFirst = true;
    const read: typeof test.state.read = async (kind, name) => {
      const found = await test.state.read(kind, name);
      if (name === 'host' && isFirst) {
        isFirst = false;
        await rotate(test);
      }
      return found;
    };
    const authorities = await open({ ...test, state: { ...test.state, read } });
    await authorities.settled();
    expect(isTrusted(authorities, test.clock.now())).toBe(true);
  });

  it('ok: ca_signature_algo makes RSA keys for new authorities', { timeout: 60_000 }, async () => {
    const test = await start();
    const authorities = await open(test, { signatureAlgorithm: 'rsa-sha2-256' });
    const certificate = parseSshCertificate(authorities.signSsh('user', sshPlan(test.clock.now())));
    expect(certificate.signatureAlgorithm).toBe('rsa-sha2-256');
  });

  it('ok: ca_signature_algo that does not fit existing keys changes nothing and is warned of', async () => {
    const test = await start();
    await open(test);
    const warnings: string[] = [];
    const log = { ...silentLog, warn: (_fields: object, message: string) => void warnings.push(message) };
    const authorities = await open(test, { signatureAlgorithm: 'rsa-sha2-512', log });
    expect(warnings).toEqual([expect.stringContaining('ca_signature_algo')]);
    const certificate = parseSshCertificate(authorities.signSsh('user', sshPlan(test.clock.now())));
    expect(certificate.signatureAlgorithm).toBe('ssh-ed25519');
  });

  it('refuses: SSH certificates of the database authority', async () => {
    const authorities = await open(await start());
    expect(() => authorities.signSsh('db', sshPlan(0))).toThrow(/no SSH key/);
  });

  it('S1 a certificate in place of a subject key is refused', async () => {
    const test = await start();
    const authorities = await open(test);
    const blob = authorities.signSsh('user', sshPlan(test.clock.now()));
    expect(() => authorities.signSsh('user', { ...sshPlan(test.clock.now()), subject: blob })).toThrow(
      /plain public key/,
    );
  });
});
