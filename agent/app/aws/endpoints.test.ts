import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { startTlsServer } from '#test/kit/tls-server.ts';
import { openAwsDialer } from './endpoints.ts';

async function statusOf(environment: Record<string, string>, host: string): Promise<number | string> {
  const dialer = openAwsDialer(environment, systemClock);
  try {
    const outgoing = dialer.request(host, { headers: { host } });
    outgoing.end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    answer.resume();
    return answer.statusCode ?? 0;
  } catch (error) {
    return String(error);
  } finally {
    dialer.close();
  }
}

describe('openAwsDialer', () => {
  it('ok: names that are reached elsewhere, each by its own rule; the certificate is that of the place', async () => {
    const server = await startTlsServer((request, response) => {
      response.writeHead(request.headers.host === 'sts.eu-west-1.amazonaws.com' ? 201 : 202).end();
    });
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-test-'));
    const bundle = join(folder, 'ca.pem');
    writeFileSync(bundle, server.authority);
    const at = `https://127.0.0.1:${server.port}`;
    const environment = {
      AWS_CA_BUNDLE: bundle,
      GATEHOUSE_AWS_ENDPOINTS: `sts.eu-west-1.amazonaws.com=${at}, *.s3.eu-west-1.amazonaws.com=https://localhost:${server.port}`,
    };
    expect(await statusOf(environment, 'sts.eu-west-1.amazonaws.com')).toBe(201);
    expect(await statusOf(environment, 'b.s3.eu-west-1.amazonaws.com')).toBe(202);
    const elsewhere = { ...environment, GATEHOUSE_AWS_ENDPOINTS: `*=https://127.0.0.2:${server.port}` };
    expect(await statusOf(elsewhere, 'b.s3.eu-west-1.amazonaws.com')).toMatch(/ECONNREFUSED|altnames/);
    const untrusted = { GATEHOUSE_AWS_ENDPOINTS: `*=${at}` };
    expect(await statusOf(untrusted, 'b.s3.eu-west-1.amazonaws.com')).toContain('self-signed certificate');
    await server.close();
    rmSync(folder, { recursive: true });
  });

  it('ok: an address of IPv6 is dialled, not looked up', async () => {
    const environment = { GATEHOUSE_AWS_ENDPOINTS: '*=https://[::1]:1' };
    expect(await statusOf(environment, 'b.s3.eu-west-1.amazonaws.com')).toMatch(/ECONNREFUSED|EADDRNOTAVAIL/);
  });

  it('refuses: S25 a name that leads to this machine', async () => {
    expect(await statusOf({}, 'localhost')).toContain('no address that AWS can have');
  });

  it.each(['x', '*=http://127.0.0.1', '*=https://host/path', 'a b=https://host', '=https://host', '*.=x'])(
    'refuses: %s',
    (text) => {
      expect(() => openAwsDialer({ GATEHOUSE_AWS_ENDPOINTS: text }, systemClock)).toThrow(
        expect.objectContaining({ code: 'INVALID_CONFIG' }),
      );
    },
  );

  it('refuses: a bundle that is not there', () => {
    expect(() => openAwsDialer({ AWS_CA_BUNDLE: '/nowhere' }, systemClock)).toThrow('/nowhere');
  });
});
