// What browsers may do at applications' origins, which host means which application, and what cookies hold.
import { describe, expect, it } from 'vitest';
import type { Resource } from '#core/resource.ts';
import type { AppServerSpec } from '#kinds/app-server/kind.ts';
import { parseRequestHead, type RequestHead } from '#wire/http1/head.ts';
import { APP_COOKIE, halvesIn, isOwnCookie, setCookie, withoutOwn } from './cookies.ts';
import { localPath } from './door.ts';
import { AppOrigins, hostName } from './origins.ts';
import { corsFields, isForged, preflightAnswer } from './policy.ts';

const OWN = 'https://wiki.proxy.example.com';
const head = (method: string, ...lines: string[]): RequestHead =>
  parseRequestHead(Buffer.from(`${[`${method} / HTTP/1.1`, 'Host: wiki', ...lines].join('\r\n')}\r\n\r\n`));
const WS = ['Connection: Upgrade', 'Upgrade: websocket'];
const CORS = {
  allowed_origins: ['https://friend.example.com'],
  allowed_methods: ['PUT'],
  allow_credentials: true,
};

describe('S12 requests that other pages make', () => {
  it('ok: reading, and whatever comes from the application itself or from programs', () => {
    for (const fine of [
      head('GET', 'Origin: https://evil.example.com'),
      head('POST', `Origin: ${OWN}`),
      head('POST', `Origin: ${OWN.toUpperCase()}`),
      head('POST'),
      head('GET', ...WS, `Origin: ${OWN}`),
    ]) {
      expect(isForged(fine, OWN, undefined)).toBe(false);
    }
    expect(isForged(head('PUT', 'Origin: https://friend.example.com'), OWN, CORS)).toBe(false);
  });

  it('refuses: changes and WebSockets from other origins, also beside it, and from nowhere', () => {
    for (const origin of [
      'https://evil.example.com',
      'https://other.proxy.example.com',
      'https://wiki.proxy.example.com:444',
      'http://wiki.proxy.example.com',
      'null',
    ]) {
      expect(isForged(head('POST', `Origin: ${origin}`), OWN, CORS)).toBe(true);
      expect(isForged(head('GET', ...WS, `Origin: ${origin}`), OWN, CORS)).toBe(true);
      expect(isForged(head('POST', `Origin: ${origin}`), OWN, { allowed_origins: ['*'] })).toBe(true);
    }
    expect(isForged(head('POST', 'Sec-Fetch-Site: cross-site'), OWN, undefined)).toBe(true);
  });
});

describe('R37 CORS', () => {
  const ask = (origin: string) => head('OPTIONS', `Origin: ${origin}`, 'Access-Control-Request-Method: PUT');

  it('ok: preflights of origins that are allowed, without a session', () => {
    const answer = preflightAnswer(ask('https://friend.example.com'), OWN, CORS);
    expect(answer?.status).toBe(204);
    expect(Object.fromEntries(answer?.fields ?? [])).toMatchObject({
      'access-control-allow-origin': 'https://friend.example.com',
      'access-control-allow-credentials': 'true',
      'access-control-allow-methods': 'PUT',
    });
  });

  it('refuses: others, and credentials where any origin is allowed', () => {
    expect(preflightAnswer(ask('https://evil.example.com'), OWN, CORS)).toBeUndefined();
    expect(preflightAnswer(ask('https://evil.example.com'), OWN, undefined)).toBeUndefined();
    const any = { allowed_origins: ['*'], allow_credentials: true };
    expect(Object.fromEntries(corsFields(any, 'https://evil.example.com'))).toEqual({
      'access-control-allow-origin': '*',
      vary: 'Origin',
    });
  });
});

describe('S12 cookies', () => {
  const good = `${'a'.repeat(32)}.${'b'.repeat(43)}`;

  it('ok: both halves; bound to one origin, for no script', () => {
    expect(halvesIn(`x=1; ${APP_COOKIE}=${good}`, APP_COOKIE)).toEqual({
      id: 'a'.repeat(32),
      secret: 'b'.repeat(43),
    });
    expect(setCookie(APP_COOKIE, good, 60)).toBe(
      `${APP_COOKIE}=${good}; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax`,
    );
    expect(withoutOwn(`x=1; ${APP_COOKIE}=${good};y=2`)).toBe('x=1;y=2');
    expect(withoutOwn(`${APP_COOKIE}=${good}`)).toBeUndefined();
    expect(isOwnCookie(` ${APP_COOKIE}=x`)).toBe(true);
  });

  it('refuses: other forms, and two of them', () => {
    for (const bad of [
      undefined,
      '',
      `${APP_COOKIE}=`,
      `${APP_COOKIE}=${'a'.repeat(32)}`,
      `${APP_COOKIE}=${good}x`,
      `x${APP_COOKIE}=${good}`,
      `${APP_COOKIE}=${good}; ${APP_COOKIE}=${good}`,
    ]) {
      expect(halvesIn(bad, APP_COOKIE)).toBeUndefined();
    }
  });
});

describe('hosts', () => {
  const server = (name: string, publicAddr?: string): Resource<AppServerSpec> => ({
    kind: 'app_server',
    version: 'v3',
    metadata: { name: `${name}.h` },
    spec: {
      host_id: 'h',
      hostname: 'h',
      proxy_ids: [],
      app: {
        kind: 'app',
        version: 'v3',
        metadata: { name },
        spec: { uri: 'http://x', ...(publicAddr === undefined ? {} : { public_addr: publicAddr }) },
      },
    } as unknown as AppServerSpec,
  });
  const all = [
    server('wiki'),
    server('grafana', 'grafana.example.org'),
    server('thief', 'proxy.example.com'),
  ];
  const origins = new AppOrigins({
    publicAddrs: () => ['proxy.example.com:3080', 'other.example.net:443'],
    view: {
      isReady: () => true,
      appServers: () => all,
      appServersOf: (name) => all.filter(({ spec }) => spec.app.metadata.name === name),
      appServersAt: (host) => all.filter(({ spec }) => spec.app.spec.public_addr === host),
    },
  });

  it('ok: by name below each name of the proxy, and by public address', () => {
    expect(origins.appAt('wiki.proxy.example.com')).toBe('wiki');
    expect(origins.appAt('wiki.other.example.net')).toBe('wiki');
    expect(origins.appAt('grafana.example.org')).toBe('grafana');
    expect(origins.urlOf(all[0]!.spec.app)).toBe('https://wiki.proxy.example.com:3080');
    expect(origins.urlOf(all[1]!.spec.app)).toBe('https://grafana.example.org:3080');
    expect(hostName('Wiki.proxy.example.com:3080')).toBe('wiki.proxy.example.com');
  });

  it('refuses: the proxy’s own name to an application, and names of nobody', () => {
    expect(origins.appAt('proxy.example.com')).toBeUndefined();
    expect(origins.appAt('127.0.0.1')).toBeUndefined();
    expect(origins.appAt('')).toBeUndefined();
    expect(origins.appAt('a.wiki.proxy.example.com')).toBeUndefined();
    expect(origins.appAt('nobody.proxy.example.com')).toBe('');
  });

  it('S27 refuses: to send anybody elsewhere', () => {
    expect(localPath('/a?b=c')).toBe('/a?b=c');
    for (const bad of [
      null,
      '',
      '//evil',
      '/\\evil',
      'https://evil',
      '/a\r\nb',
      '/ü',
      '/x-gatehouse-auth?code=x',
    ]) {
      expect(localPath(bad)).toBe('/');
    }
  });
});
