// Where an agent dials for an application, what it sets in requests, and the tokens that it keeps.
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { silentLog } from '#core/log.ts';
import type { Api } from '#client/api.ts';
import { FakeClock } from '#test/kit/clock.ts';
import { dialApp } from './dial.ts';
import { isForbidden, ownFields, replyFields, requestRules } from './fields.ts';
import { openAppTokens } from './tokens.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'ok',
    (error: unknown) => (isCode(error) ? error.code : String(error)),
  );

describe('S25 dialing', () => {
  it('refuses: link-local and metadata addresses, whatever way they are written', async () => {
    for (const host of [
      '169.254.169.254',
      '[fd00:ec2::254]',
      '[::ffff:169.254.169.254]',
      '0.0.0.0',
      '168.63.129.16',
    ]) {
      const dialed = dialApp({ uri: `http://${host}/`, insecureSkipVerify: true }, systemClock);
      expect([host, await codeOf(dialed)]).toEqual([host, 'ACCESS_DENIED']);
    }
  });

  it('ok: loopback and names; a certificate that nobody vouches for is refused with what to do', async () => {
    const server = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const socket = await dialApp(
      { uri: `http://localhost:${port}/`, insecureSkipVerify: false },
      systemClock,
    );
    socket.destroy();
    const tls = dialApp({ uri: `https://localhost:${port}/`, insecureSkipVerify: false }, systemClock);
    expect(await codeOf(tls)).toBe('UNAVAILABLE');
  });
});

describe('S19 headers', () => {
  const identity = {
    name: 'joe',
    roles: ['dev'],
    traits: { team: ['a', 'bad\r\nx: y'] },
  } as unknown as UserIdentity;
  const person = { identity, address: '203.0.113.7', publicAddr: 'wiki.example.com' };

  it('ok: templates of traits; a value that could not stand in a line is left out', () => {
    const bad: string[] = [];
    const rules = requestRules(
      {
        uri: 'http://inside:8080/x',
        rewrite: {
          headers: [
            { name: 'X-Team', value: '{{external.team}}' },
            'Host: other.example.com',
            'X-Bad: {{nothing}}',
          ],
        },
      },
      (header) => bad.push(header),
    );
    const fields = ownFields(rules, person, 'token').map(({ text, value }) => `${text}: ${value}`);
    expect(fields).toContain('X-Team: a');
    expect(fields).toContain('Host: other.example.com');
    expect(fields).not.toContain('Host: inside:8080');
    expect(fields.join('\n')).not.toContain('bad');
    expect(fields).toContain('gatehouse-jwt-assertion: token');
    expect(bad).toEqual(['X-Bad']);
  });

  it.each([
    'x-forwarded-for',
    'x_forwarded_for',
    'forwarded',
    'cf-access-jwt-assertion',
    'teleport-jwt-assertion',
    'x-gatehouse-aws-host',
    'x-auth-request-user',
    'x-original-url',
    'true-client-ip',
    'remote_user',
  ])('refuses: %s from a client', (name) => expect(isForbidden(name)).toBe(true));

  it('ok: redirects to the inside become paths; others stay', () => {
    const location = (value: string): string =>
      replyFields(
        [{ name: 'location', text: 'Location', value }],
        new Set(['inside:8080', 'old.example.com']),
      )[0]?.value ?? '';
    expect(location('http://inside:8080/a?b#c')).toBe('/a?b#c');
    expect(location('https://old.example.com/a')).toBe('/a');
    expect(location('http://inside:8080//evil.example.com/')).toBe('/.//evil.example.com/');
    expect(location('https://idp.example.com/')).toBe('https://idp.example.com/');
    expect(location('/relative')).toBe('/relative');
  });
});

describe('tokens', () => {
  const CERTIFICATE = new Uint8Array([1, 2, 3]);

  it('ok: asked for once, kept until shortly before the end; without auth requests go on without one', async () => {
    const clock = new FakeClock();
    let calls = 0;
    let isAway = false;
    const call = async () => {
      calls++;
      if (isAway) throw new GatehouseError('UNAVAILABLE', 'auth is away');
      return { token: `t${calls}`, expires: new Date(clock.now() + 600_000).toISOString() };
    };
    const api = { call } as unknown as Api;
    const tokens = openAppTokens({ clock, log: silentLog, membership: { api: () => api } });
    const both = await Promise.all([tokens.get(CERTIFICATE), tokens.get(CERTIFICATE)]);
    expect(both.map((one) => one?.token)).toEqual(['t1', 't1']);
    expect((await tokens.get(CERTIFICATE))?.token).toBe('t1');
    await clock.advance(541_000);
    isAway = true;
    expect(await tokens.get(CERTIFICATE)).toBeUndefined();
    expect(await tokens.get(CERTIFICATE)).toBeUndefined();
    expect(calls).toBe(2);
    isAway = false;
    await clock.advance(6000);
    expect((await tokens.get(CERTIFICATE))?.token).toBe('t3');
  });
});
