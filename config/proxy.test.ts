// What `proxy_service:` means: which ports open, under which names, and who may say whose connection it passes on.
import { describe, expect, it } from 'vitest';
import { isCode } from '#core/errors/error.ts';
import type { ProxyConfig } from './config.ts';
import type { ConfigFlags } from './flags.ts';
import { readConfig } from './read.ts';

function proxyOf(section: string, more = '', flags: ConfigFlags = {}): ProxyConfig | undefined {
  const text = `proxy_service: {${section}}\n${more}`;
  return readConfig(text, { source: 'gatehouse.yaml', hostname: 'turing', flags }).config.proxy;
}

function noticesOf(section: string): readonly string[] {
  const { notices } = readConfig(`proxy_service: {${section}}`, { source: 'f', hostname: 'turing' });
  return notices.map(({ path, message }) => `${path}: ${message}`);
}

describe('ports', () => {
  const ports = (section: string, more = ''): unknown[] => {
    const proxy = proxyOf(section, more);
    return [
      proxy?.webListenAddr.port,
      proxy?.sshListenAddr?.port,
      proxy?.tunnelListenAddr?.port,
      proxy?.peerListenAddr?.port,
    ];
  };
  const MULTIPLEX = 'auth_service: {proxy_listener_mode: multiplex}';

  it.each([
    ['', '', [3080, 3023, 3024, undefined]],
    ['web_listen_addr: ":443", tunnel_listen_addr: ":443"', '', [443, 3023, undefined, undefined]],
    ['', MULTIPLEX, [3080, undefined, undefined, undefined]],
    ['listen_addr: "0.0.0.0"', MULTIPLEX, [3080, 3023, undefined, undefined]],
    ['peer_listen_addr: "10.0.0.1"', '', [3080, 3023, 3024, 3021]],
    ['', 'auth_service: {tunnel_strategy: {type: proxy_peering}}', [3080, 3023, 3024, 3021]],
    ['web_listen_addr: "127.0.0.1:0", tunnel_listen_addr: "127.0.0.1:0"', '', [0, 3023, 0, undefined]],
  ])('ok: {%s} %s', (section, more, expected) => expect(ports(section, more)).toEqual(expected));
});

describe('names and pairs', () => {
  it('ok: several names, each with the port of its door unless it says another', () => {
    const proxy = proxyOf(
      'web_listen_addr: ":443", public_addr: [a.example.com, "b.example.com:8443"], ssh_public_addr: ssh.example.com, tunnel_public_addr: "t.example.com:9", peer_public_addr: p',
    );
    expect(proxy).toMatchObject({
      publicAddrs: [
        { host: 'a.example.com', port: 443 },
        { host: 'b.example.com', port: 8443 },
      ],
      sshPublicAddrs: [{ host: 'ssh.example.com', port: 3023 }],
      tunnelPublicAddrs: [{ host: 't.example.com', port: 9 }],
      peerPublicAddr: { host: 'p', port: 443 },
    });
  });

  it('ok: pairs of both forms, and how often they are looked at', () => {
    const proxy = proxyOf(
      'https_keypairs: [{key_file: a.key, cert_file: a.pem}], https_key_file: b.key, https_cert_file: b.pem, https_keypairs_reload_interval: 1h',
    );
    expect(proxy?.httpsKeypairs).toEqual([
      { keyFile: 'a.key', certFile: 'a.pem' },
      { keyFile: 'b.key', certFile: 'b.pem' },
    ]);
    expect(proxy?.httpsReloadMs).toBe(3_600_000);
    expect(proxyOf('https_keypairs_reload_interval: "0"')?.httpsReloadMs).toBe(0);
  });

  it('ok: --insecure-no-tls', () => {
    expect(proxyOf('', '', { insecureNoTls: true })?.insecureNoTls).toBe(true);
  });
});

describe('who may say whose connection it passes on', () => {
  it('ok: balancers that are named', () => {
    const proxy = proxyOf('proxy_protocol: on, proxy_protocol_from: [10.0.0.0/8, "2001:db8::1"]');
    expect(proxy?.proxyProtocolFrom).toEqual(['10.0.0.0/8', '2001:db8::1']);
    expect(proxyOf('trust_x_forwarded_for: yes')?.trustXForwardedFor).toBe(true);
  });

  it('ok: nobody while it is off, and that is said', () => {
    expect(proxyOf('proxy_protocol: off, proxy_protocol_from: 10.0.0.1')?.proxyProtocolFrom).toEqual([]);
    expect(noticesOf('proxy_protocol_from: 10.0.0.1')).toEqual([
      'proxy_service.proxy_protocol_from: is not in force unless proxy_protocol is on',
    ]);
  });
});

it.each([
  ['proxy_protocol: on', 'needs proxy_protocol_from'],
  ['proxy_protocol: maybe', 'must be true or false'],
  ['proxy_protocol: on, proxy_protocol_from: lb.example.com', 'must be an IP address or a network'],
  ['https_key_file: a', 'must be given together'],
  ['web_listen_addr: "80"', 'is not an address'],
  ['public_addr: ["a b"]', 'is not an address'],
  ['https_keypairs: [{key_file: a}]', 'cert_file is required'],
])('refuses: {%s}', (section, message) => {
  const refused = (): unknown => {
    try {
      return proxyOf(section);
    } catch (error) {
      return isCode(error, 'INVALID_CONFIG') ? error.message : error;
    }
  };
  expect(refused()).toContain(message);
});

it('ok: what comes later is one notice, and what is switched off none', () => {
  expect(noticesOf('acme: {enabled: no}, kubernetes: {enabled: off}')).toEqual([]);
  expect(noticesOf('acme: {enabled: yes}, mysql_listen_addr: "0.0.0.0:3036"')).toEqual([
    'proxy_service: acme, mysql_listen_addr are not part of this release and ignored',
  ]);
});
