import { generateKeyPairSync } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { HostCertificates } from '#core/api/join.ts';
import { parseSshCertificate } from '#core/certs/ssh/certificate.ts';
import { publicKeyLine } from '#core/certs/ssh/lines.ts';
import { parseAuthorizedKey } from '#core/certs/ssh/lines.ts';
import { identityOfCertificate } from '#core/certs/x509/identity.ts';
import { publicKeyPem } from '#core/certs/x509/keys.ts';
import { parseX509, type ParsedCertificate } from '#core/certs/x509/parse.ts';
import { derFromPem } from '#core/certs/x509/pem.ts';
import { verifyX509 } from '#core/certs/x509/verify.ts';
import { isCode, type GatehouseError } from '#core/errors/error.ts';
import { parseIdentity, type SystemRole } from '#core/identity.ts';
import { CLUSTER, makeKeyTexts, startTestAuth, type TestAuth } from '#test/kit/auth-context.ts';
import { makeResource } from '#test/kit/state.ts';
import { issueAdmin } from './admin.ts';
import { issueDatabase } from './database.ts';
import { hostNames, serverNames } from './host-names.ts';
import { HOST_TTL_MS, issueHost, type HostRequest } from './host.ts';
import { readSubjectKeys } from './subject-keys.ts';

const ID = '11111111-2222-4333-8444-555555555555';
const OTHER = '99999999-2222-4333-8444-555555555555';
let test: TestAuth;
beforeEach(async () => {
  test = await startTestAuth();
});
afterEach(() => test.close());

const issue = (more: Partial<HostRequest> = {}): Promise<HostCertificates> =>
  issueHost(test.context, {
    hostId: ID,
    nodeName: 'web-1',
    roles: ['node'],
    addresses: [],
    keys: makeKeyTexts(),
    method: 'token',
    ...more,
  });
const tls = (pem: string): ParsedCertificate => parseX509(derFromPem(pem));
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (isCode(error) ? error.code : String(error)),
  );

describe('host certificates', () => {
  it('ok: names, roles, thirty days, and everything a member must trust', async () => {
    const issued = await issue({ addresses: ['10.0.0.5', 'Web.Example.org'] });
    const certificate = parseSshCertificate(Buffer.from(issued.ssh_certificate.split(' ')[1]!, 'base64'));
    const names = [ID, 'web-1', `${ID}.${CLUSTER}`, `web-1.${CLUSTER}`, 'web.example.org'];
    expect(certificate).toMatchObject({
      type: 'host',
      keyId: `${ID}.${CLUSTER}`,
      principals: [...names, '10.0.0.5'],
    });
    const other = tls(issued.tls_certificate);
    expect(other).toMatchObject({ dnsNames: names, ipAddresses: ['10.0.0.5'], extKeyUsage: ['clientAuth'] });
    expect(other.subject).toMatchObject({ commonName: `${ID}.${CLUSTER}`, organization: ['node'] });
    expect(other.notAfter - test.clock.now()).toBe(HOST_TTL_MS);
    expect(parseIdentity(identityOfCertificate(other))).toEqual({
      kind: 'host',
      cluster: CLUSTER,
      host_id: ID,
      name: 'web-1',
      roles: ['node'],
    });
    expect(issued.ssh_authorities.user).toEqual(test.authorities.publicPart('user').sshPublicKeys);
    expect(test.events).toEqual([
      expect.objectContaining({ event: 'cert.create', cert_type: 'host', host_id: ID, roles: ['node'] }),
    ]);
  });

  it('S18 a plain node gets no certificate that could answer as a server of the cluster', async () => {
    expect(tls((await issue()).tls_certificate).extKeyUsage).not.toContain('serverAuth');
    for (const roles of [['db'], ['app'], ['node', 'db', 'app']] as const) {
      expect(tls((await issue({ roles: [...roles] })).tls_certificate).extKeyUsage).toEqual(['clientAuth']);
    }
    expect(tls((await issue({ roles: ['proxy'] })).tls_certificate).extKeyUsage).toContain('serverAuth');
  });

  it.each<[string, Partial<HostRequest>]>([
    ['S3 a comma in the name', { nodeName: 'a,b' }],
    ['S3 a space in the name', { nodeName: 'a b' }],
    ['S3 a control character', { nodeName: 'a\u0000b' }],
    ['S3 a Unicode name', { nodeName: 'wéb' }],
    ['S3 an empty name', { nodeName: '' }],
    ['S3 a comma in an address', { addresses: ['a,b'] }],
    ['a wildcard', { addresses: ['*.example.com'] }],
    ['an address with a port', { addresses: ['10.0.0.5:22'] }],
    ['the address that means all', { addresses: ['0.0.0.0'] }],
    ['S18 the id of another host as name', { nodeName: OTHER }],
    ['S18 the id of another host in capitals', { nodeName: OTHER.toUpperCase() }],
    ['S18 the full name of another host', { addresses: [`${OTHER}.${CLUSTER}`] }],
    ['S18 the name of the cluster', { nodeName: CLUSTER }],
    ['S18 the name of the cluster in capitals', { addresses: [CLUSTER.toUpperCase()] }],
  ])('refuses: %s', async (_title, more) => {
    expect(await codeOf(issue(more))).toBe('BAD_REQUEST');
    expect(test.events).toEqual([]);
  });

  describe('S18 a name of the doors of the cluster', () => {
    const withDoors = (more: Partial<HostRequest>, publicAddress = `Gate.${CLUSTER}:443`) =>
      issueHost(
        { ...test.context, publicAddress },
        {
          hostId: ID,
          nodeName: 'web-1',
          roles: ['node'],
          addresses: [],
          keys: makeKeyTexts(),
          method: 'token',
          ...more,
        },
      );
    it.each<[string, Partial<HostRequest>, field: string, publicAddress?: string]>([
      ['auth', { nodeName: 'auth' }, 'node_name'],
      ['proxy in capitals', { nodeName: 'PROXY' }, 'node_name'],
      ['the full name of auth', { nodeName: `auth.${CLUSTER}` }, 'node_name'],
      ['the public address', { nodeName: `gate.${CLUSTER}` }, 'node_name'],
      ['what the name of the cluster makes the public address', { nodeName: 'gate' }, 'node_name'],
      ['a public address elsewhere', { nodeName: 'go.example.org' }, 'node_name', 'go.example.org:3080'],
      ['a public address that is an IP', { nodeName: '2001:DB8:0::1' }, 'node_name', '[2001:db8::1]:443'],
      ['the machine of auth', { nodeName: 'Auth-1' }, 'node_name'],
      ['the full name of that machine', { nodeName: `auth-1.${CLUSTER}` }, 'node_name'],
      ['a public name of auth', { nodeName: 'auth.internal.example.com' }, 'node_name'],
      ['an address of auth', { nodeName: '192.0.2.1' }, 'node_name'],
      ['a further name', { addresses: ['web.example.org', `gate.${CLUSTER}`] }, 'addresses[1]'],
    ])('refuses: %s', async (_title, more, field, publicAddress) => {
      const error = await withDoors(more, publicAddress).then(
        () => expect.unreachable(),
        (found: GatehouseError) => found,
      );
      expect([error.code, error.details['field']]).toEqual(['BAD_REQUEST', field]);
      expect(error.message).toContain('choose another one');
      expect(test.events).toEqual([]);
    });
    it('refuses: the public name of a proxy that is there, but not its machine', async () => {
      const spec = { hostname: 'edge-1', public_addrs: ['door.example.org:443', '192.0.2.77:443', ':'] };
      await test.state.write([{ do: 'put', resource: makeResource('proxy', 'p1', spec) }]);
      expect(await codeOf(withDoors({ nodeName: 'door.example.org' }))).toBe('BAD_REQUEST');
      expect(await codeOf(withDoors({ nodeName: 'edge-1', addresses: ['192.0.2.77'] }))).toBe('ok');
    });
    it.each<[string, Partial<HostRequest>]>([
      ['a proxy', { nodeName: 'gate', roles: ['proxy', 'node'] }],
      ['an auth server', { nodeName: 'auth', roles: ['auth'] }],
      ['the machine of auth itself', { nodeName: 'auth-1', isOwn: true }],
      ['a name that only looks like one', { nodeName: 'gate-2', addresses: [`auth.web-1.${CLUSTER}`] }],
      ['what every machine is to itself', { nodeName: 'localhost', addresses: ['localhost', '127.0.0.1'] }],
    ])('ok: %s', async (_title, more) => {
      const { tls_certificate } = await withDoors(more);
      expect(tls(tls_certificate).dnsNames).toContain(more.nodeName);
    });
  });

  it('S16 a locked host gets no certificate', async () => {
    const lock = makeResource('lock', 'l', { target: { server_id: ID } });
    await test.state.write([{ do: 'put', resource: lock }]);
    expect(await codeOf(issue())).toBe('LOCKED');
  });
});

describe('names', () => {
  const names = (nodeName: string, addresses: string[], roles: SystemRole[] = ['node']) =>
    hostNames({ hostId: ID, nodeName, clusterName: CLUSTER, roles, addresses });
  it('ok: an address as name is an address', () => {
    expect(names('10.1.2.3', ['[2001:DB8::1]', '10.1.2.3'])).toMatchObject({
      dnsNames: [ID, `${ID}.${CLUSTER}`, `10.1.2.3.${CLUSTER}`],
      ipAddresses: ['2001:db8::1', '10.1.2.3'],
    });
  });
  it('ok: its own id, and the name of the cluster for a proxy', () => {
    expect(names(ID, []).principals).toEqual([ID, `${ID}.${CLUSTER}`]);
    expect(names(CLUSTER, [], ['proxy']).dnsNames).toContain(CLUSTER);
  });
  it('refuses: no name at all for a database', () => {
    expect(() => serverNames('hosts', [])).toThrow(/at least one/);
  });
});

describe('subject keys', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey;
  const good = makeKeyTexts();
  it.each<[string, string, Partial<typeof good>]>([
    ['a weak RSA key', 'tls_public_key', { tls_public_key: publicKeyPem(rsa) }],
    [
      'a private key',
      'tls_public_key',
      { tls_public_key: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n' },
    ],
    ['nothing', 'ssh_public_key', { ssh_public_key: 'x' }],
    ['options before a key', 'ssh_public_key', { ssh_public_key: `command="x" ${good.ssh_public_key}` }],
    ['two lines', 'ssh_public_key', { ssh_public_key: `${good.ssh_public_key}\n${good.ssh_public_key}` }],
  ])('refuses: %s', (_title, field, texts) => {
    try {
      readSubjectKeys({ ...good, ...texts });
      expect.unreachable();
    } catch (error) {
      expect(isCode(error, 'BAD_REQUEST')).toBe(true);
      expect((error as GatehouseError).details['field']).toBe(field);
    }
  });

  it('S1 a certificate in place of a key is refused, for users and hosts', async () => {
    const { ssh_certificate, tls_certificate } = await issue();
    expect(await codeOf(issue({ keys: { ...good, ssh_public_key: ssh_certificate } }))).toBe('BAD_REQUEST');
    expect(await codeOf(issue({ keys: { ...good, tls_public_key: tls_certificate } }))).toBe('BAD_REQUEST');
  });

  it('S1 the key of an authority is not certified, in neither format', async () => {
    for (const type of ['user', 'host', 'db'] as const) {
      const part = test.authorities.publicPart(type);
      const key = tls(part.tlsCertificates[0]!).publicKey.key;
      expect(await codeOf(issue({ keys: { ...good, tls_public_key: publicKeyPem(key) } }))).toBe(
        'BAD_REQUEST',
      );
      for (const line of part.sshPublicKeys) {
        expect(await codeOf(issue({ keys: { ...good, ssh_public_key: line } }))).toBe('BAD_REQUEST');
        const pem = publicKeyPem(parseAuthorizedKey(line).key.key);
        expect(await codeOf(issue({ keys: { ...good, tls_public_key: pem } }))).toBe('BAD_REQUEST');
      }
    }
    expect(publicKeyLine(parseAuthorizedKey(good.ssh_public_key).key)).toContain('ssh-ed25519');
  });
});

describe('the local admin and databases', () => {
  it('ok: the admin certificate is a user certificate of 24 hours with the admin identity', async () => {
    const issued = await issueAdmin(test.context, readSubjectKeys(makeKeyTexts()).tls);
    const authorities = test.authorities.publicPart('user').tlsCertificates.map(tls);
    const certificate = verifyX509(derFromPem(issued.tls_certificate), {
      authorities,
      purpose: 'clientAuth',
      now: test.clock.now(),
    });
    expect(parseIdentity(identityOfCertificate(certificate))).toEqual({
      kind: 'admin',
      cluster: CLUSTER,
      name: 'local-admin',
    });
    expect(issued.expires - test.clock.now()).toBe(24 * 3_600_000);
    expect(test.events[0]).toMatchObject({ cert_type: 'admin', key_id: 'local-admin' });
  });

  it('S8 a database certificate carries no identity and is of the database authority alone', async () => {
    const issued = await issueDatabase(test.context, {
      tlsPublicKey: makeKeyTexts().tls_public_key,
      hosts: ['db.example.com', '10.0.0.9'],
      ttlMs: 2190 * 3_600_000,
      requestedBy: 'admin',
    });
    const certificate = tls(issued.tls_certificate);
    expect(certificate).toMatchObject({
      dnsNames: ['db.example.com'],
      ipAddresses: ['10.0.0.9'],
      extKeyUsage: ['serverAuth'],
    });
    expect(() => identityOfCertificate(certificate)).toThrow(/no identity/);
    for (const type of ['user', 'host'] as const) {
      const authorities = test.authorities.publicPart(type).tlsCertificates.map(tls);
      const context = { authorities, purpose: 'serverAuth', now: test.clock.now() };
      expect(() => verifyX509(certificate.der, context)).toThrow();
    }
    expect(issued.tls_authorities).toEqual(test.authorities.publicPart('db').tlsCertificates);
  });
});
