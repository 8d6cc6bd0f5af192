// Keys of issuers over real TLS: kept, looked for again, used on while the issuer is away; and every way in which an
// issuer, or who answers for its name, could lead the auth service elsewhere.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLog } from '#core/log.ts';
import type { OidcIssuer } from '#join/kubernetes/reviews.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { makePodTokenKey, podTokenJwks } from '#test/kit/pod-tokens.ts';
import { startTlsServer, type TlsServer } from '#test/kit/tls-server.ts';
import { OidcKeys } from './oidc-keys.ts';

const one = makePodTokenKey('ec');
const two = makePodTokenKey('ec');
const HOUR = 3_600_000;

let server: TlsServer;
let clock: FakeClock;
let keys: OidcKeys;
/** Paths that were asked for. */
let asked: string[];
let answers: Record<string, (reply: ServerResponse) => void>;
let issuer: OidcIssuer;

const json = (value: unknown) => (reply: ServerResponse) =>
  void reply.end(typeof value === 'string' ? value : JSON.stringify(value));
const discovery = (more: object = {}): void => {
  const jwks_uri = `${issuer.issuer}/keys`;
  answers['/id/A/.well-known/openid-configuration'] = json({ issuer: issuer.issuer, jwks_uri, ...more });
};
const publish = (...published: (typeof one)[]): void =>
  void (answers['/id/A/keys'] = json(podTokenJwks(...published)));

function answer(request: IncomingMessage, reply: ServerResponse): void {
  const path = request.url ?? '';
  asked.push(path);
  const found = answers[path];
  if (found !== undefined) return found(reply);
  reply.statusCode = 404;
  reply.end();
}

beforeEach(async () => {
  asked = [];
  answers = {};
  server = await startTlsServer(answer, { names: ['oidc.example.com'] });
  clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
  keys = openKeys(['127.0.0.1']);
  issuer = {
    issuer: `https://oidc.example.com:${server.port}/id/A`,
    insecure_allow_http_issuer: false,
    allow_private_addresses: true,
    ca_cert: server.authority,
  };
  discovery();
  publish(one);
});
afterEach(() => server.close());

const openKeys = (addresses: readonly string[]): OidcKeys =>
  new OidcKeys({ clock, log: silentLog, resolve: async () => addresses });
const ids = async (kid: string | undefined, about: Partial<OidcIssuer> = {}): Promise<unknown[]> =>
  (await keys.keysOf({ ...issuer, ...about }, kid)).map(({ id }) => id);
const refusal = (about: Partial<OidcIssuer> = {}): Promise<string> =>
  keys.keysOf({ ...issuer, ...about }, one.kid).then(
    () => expect.unreachable('taken'),
    (error: { code: string; message: string }) => {
      expect(error.code).toBe('UNAVAILABLE');
      return error.message;
    },
  );

describe('keys of an issuer', () => {
  it('ok: by discovery, once for many, and again after hours', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, () => ids(one.kid)));
    expect(new Set(many.flat())).toEqual(new Set([one.kid]));
    expect(asked).toEqual(['/id/A/.well-known/openid-configuration', '/id/A/keys']);
    await clock.advance(4 * HOUR);
    await ids(one.kid);
    expect(asked).toHaveLength(4);
  });

  it('ok: a key that is new is found at once, one that is gone is no longer taken', async () => {
    await ids(one.kid);
    publish(one, two);
    await clock.advance(60_000);
    expect(await ids(two.kid)).toEqual([one.kid, two.kid]);
    publish(two);
    await clock.advance(4 * HOUR);
    expect(await ids(two.kid)).toEqual([two.kid]);
  });

  it('S25 S33 ok: key ids that nobody knows make it look once a minute', async () => {
    await ids(one.kid);
    for (let i = 0; i < 50; i++) expect(await ids(`unknown-${i}`)).toEqual([one.kid]);
    expect(asked).toHaveLength(2);
    await clock.advance(60_000);
    for (let i = 0; i < 50; i++) await ids(`unknown-${i}`);
    expect(asked).toHaveLength(4);
  });

  it('ok: while the issuer is away the keys are good for a day', async () => {
    await ids(one.kid);
    answers = {};
    await clock.advance(23 * HOUR);
    expect(await ids(one.kid)).toEqual([one.kid]);
    await clock.advance(HOUR);
    expect(await refusal()).toContain('status 404');
    discovery();
    publish(two);
    await clock.advance(60_000);
    expect(await ids(two.kid)).toEqual([two.kid]);
  });

  it('ok: after a failure it waits a minute', async () => {
    answers = {};
    await refusal();
    await refusal();
    expect(asked).toHaveLength(1);
    discovery();
    publish(one);
    await clock.advance(60_000);
    expect(await ids(one.kid)).toEqual([one.kid]);
  });
});

describe('S25 where an issuer leads', () => {
  it('refuses: redirects, of discovery and of keys', async () => {
    const redirect = (reply: ServerResponse): void => {
      reply.writeHead(302, { location: `https://oidc.example.com:${server.port}/id/A/keys` });
      reply.end();
    };
    const good = answers['/id/A/.well-known/openid-configuration']!;
    answers['/id/A/.well-known/openid-configuration'] = redirect;
    expect(await refusal()).toContain('status 302');
    answers['/id/A/.well-known/openid-configuration'] = good;
    answers['/id/A/keys'] = redirect;
    await clock.advance(60_000);
    expect(await refusal()).toContain('status 302');
    expect(asked).toHaveLength(3);
  });

  it.each([
    ['169.254.169.254'],
    ['127.0.0.1'],
    ['10.0.0.1'],
    ['::ffff:169.254.169.254'],
    ['fd00:ec2::254'],
    ['8.8.8.8', '127.0.0.1'],
    ['not-an-address'],
  ])('refuses: a name that leads to %s, without a connection', async (...addresses) => {
    keys = openKeys(addresses);
    expect(await refusal({ allow_private_addresses: false })).toContain('is not dialed for an issuer');
    expect(asked).toEqual([]);
  });

  it.each(['169.254.169.254', '0.0.0.0', 'fe80::1', '100.100.100.200'])(
    'refuses: %s, also where private addresses are allowed',
    async (address) => {
      keys = openKeys([address]);
      expect(await refusal()).toContain('is not dialed for an issuer');
    },
  );

  it('refuses: an address in place of a name', async () => {
    for (const host of ['127.0.0.1', '[::1]', '[::ffff:7f00:1]', '2130706433', '0x7f.1']) {
      const at = `https://${host}:${server.port}/id/A`;
      expect(await refusal({ issuer: at, allow_private_addresses: false })).toContain('is not dialed');
    }
    expect(asked).toEqual([]);
  });

  it('ok: the address that was judged is the one that is dialed, whatever the name says later', async () => {
    const resolved = [['127.0.0.1'], ['169.254.169.254']];
    keys = new OidcKeys({ clock, log: silentLog, resolve: async () => resolved.shift() ?? [] });
    expect(await refusal()).toContain('169.254.169.254');
    expect(asked).toEqual(['/id/A/.well-known/openid-configuration']);
  });

  it.each([
    ['another protocol', 'file:///etc/passwd', 'file:// is not fetched'],
    ['no TLS', 'http://oidc.example.com/keys', 'http:// is not fetched'],
    ['no address', 'keys', 'names no keys'],
    ['no text', 7, 'names no keys'],
  ])('refuses: keys at %s', async (_title, jwks_uri, message) => {
    discovery({ jwks_uri });
    expect(await refusal()).toContain(message);
    expect(asked).toHaveLength(1);
  });

  it('S11 refuses: the document of another issuer', async () => {
    for (const other of [`${issuer.issuer}/`, 'https://evil.example.com', undefined]) {
      discovery({ issuer: other });
      expect(await refusal()).toContain('of another issuer');
      await clock.advance(60_000);
    }
  });

  it('S31 refuses: a certificate of somebody else, or for another name', async () => {
    expect(await refusal({ ca_cert: undefined })).toMatch(
      /cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
    );
    const other = `https://other.example.com:${server.port}/id/A`;
    expect(await refusal({ issuer: other })).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const insisting = await refusal({ issuer: `${other}/2` }).finally(() => vi.unstubAllEnvs());
    expect(insisting).toContain('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(asked).toEqual([]);
  });

  it('ok: plain HTTP where an admin allows it', async () => {
    const plain = await startTlsServer(answer, { isPlain: true });
    issuer = { ...issuer, issuer: `http://oidc.example.com:${plain.port}/id/A` };
    discovery();
    expect(await refusal()).toContain('http:// is not fetched');
    expect(await ids(one.kid, { insecure_allow_http_issuer: true })).toEqual([one.kid]);
    await plain.close();
  });

  it('S33 refuses: more than 64 KiB, also without an end', async () => {
    answers['/id/A/keys'] = (reply) => {
      const more = (): void => {
        while (!reply.destroyed && reply.write(Buffer.alloc(16_384, 32)));
      };
      reply.on('drain', more);
      more();
    };
    expect(await refusal()).toContain('more than 65536 bytes');
  });

  it.each([
    ['no JSON', '<html>'],
    ['no keys', '{}'],
    ['no key that fits', '{"keys":[]}'],
  ])('S34 refuses: %s', async (_title, text) => {
    answers['/id/A/keys'] = json(text);
    expect(await refusal()).toContain('the keys ');
    answers['/id/A/.well-known/openid-configuration'] = json(text);
    await clock.advance(60_000);
    expect(await refusal()).toMatch(/no JSON object|another issuer/);
  });

  it('refuses: connections that are cut', async () => {
    answers['/id/A/keys'] = (reply) => {
      reply.writeHead(200, { 'content-length': 1000 });
      reply.write('{');
      reply.destroy();
    };
    expect(await refusal()).toContain('cannot be reached');
  });
});
