// From `proxy_service:` and --insecure-no-tls to what the proxy is started with.
import { parseNetwork } from '#core/certs/ip-address.ts';
import { parseDuration } from '#core/duration.ts';
import { parseAddress, type Address } from './address.ts';
import { isAskedFor } from './asked-for.ts';
import type { KeypairFiles, ProxyConfig } from './config.ts';
import type { FileContents } from './file.ts';
import type { Findings } from './findings.ts';
import type { ConfigFlags } from './flags.ts';
import { given } from './given.ts';
import { PORTS } from './ports.ts';
import { LATER_PROXY_KEYS, type ProxySection } from './sections/proxy.ts';

const ANY = '0.0.0.0';
const RELOAD_MS = 60_000;

export function buildProxy(file: FileContents, flags: ConfigFlags, findings: Findings): ProxyConfig {
  const section: ProxySection = file.proxy ?? {};
  noticeLater(section, findings);
  const listen = buildListeners(file, section, findings);
  const { webListenAddr: web, sshListenAddr: ssh = web, tunnelListenAddr: tunnel = web } = listen;
  const addresses = (
    key: 'public_addr' | 'ssh_public_addr' | 'tunnel_public_addr',
    port: number,
  ): Address[] =>
    findings.attemptAll(['proxy_service', key], section[key], (text) => parseAddress(text, port));
  const peers = findings.attemptAll(['proxy_service', 'peer_public_addr'], section.peer_public_addr, (text) =>
    parseAddress(text, listen.peerListenAddr?.port ?? web.port),
  );
  const interval = section.https_keypairs_reload_interval;
  return given({
    ...listen,
    publicAddrs: addresses('public_addr', web.port),
    sshPublicAddrs: addresses('ssh_public_addr', ssh.port),
    tunnelPublicAddrs: addresses('tunnel_public_addr', tunnel.port),
    peerPublicAddr: peers[0],
    httpsKeypairs: buildKeypairs(section, findings),
    httpsReloadMs: interval === undefined ? RELOAD_MS : parseDuration(interval),
    proxyProtocolFrom: buildBalancers(section, findings),
    trustXForwardedFor: section.trust_x_forwarded_for ?? false,
    insecureNoTls: flags.insecureNoTls ?? false,
  });
}

type Listeners = Pick<ProxyConfig, 'webListenAddr' | 'sshListenAddr' | 'tunnelListenAddr' | 'peerListenAddr'>;
type ListenKey = 'web_listen_addr' | 'listen_addr' | 'tunnel_listen_addr' | 'peer_listen_addr';

/** The classic ports are there as documented; where the file says that one port does it all, only if it names them. */
function buildListeners(file: FileContents, section: ProxySection, findings: Findings): Listeners {
  const { proxy_listener_mode: mode = 'separate', tunnel_strategy: strategy } = file.auth ?? {};
  const address = (key: ListenKey, port: number, isDefault: boolean): Address | undefined => {
    const text = section[key];
    if (text === undefined) return isDefault ? { host: ANY, port } : undefined;
    return findings.attempt(['proxy_service', key], () => parseAddress(text, port, ANY));
  };
  const web = address('web_listen_addr', PORTS.web, true) ?? { host: ANY, port: PORTS.web };
  const isSeparate = mode === 'separate';
  const isPeering = strategy?.type === 'proxy_peering';
  return given({
    webListenAddr: web,
    sshListenAddr: unlessSame(web, address('listen_addr', PORTS.proxySsh, isSeparate)),
    tunnelListenAddr: unlessSame(web, address('tunnel_listen_addr', PORTS.proxyTunnel, isSeparate)),
    peerListenAddr: unlessSame(web, address('peer_listen_addr', PORTS.proxyPeer, isPeering)),
  });
}

/** Port 0 is another free one each time. */
function unlessSame(web: Address, other: Address | undefined): Address | undefined {
  return other?.host === web.host && other.port === web.port && web.port !== 0 ? undefined : other;
}

function buildKeypairs(section: ProxySection, findings: Findings): KeypairFiles[] {
  const pairs = (section.https_keypairs ?? []).map(({ key_file, cert_file }) => ({
    keyFile: key_file,
    certFile: cert_file,
  }));
  const { https_key_file: keyFile, https_cert_file: certFile } = section;
  if (keyFile !== undefined && certFile !== undefined) return [...pairs, { keyFile, certFile }];
  const alone =
    keyFile === undefined ? (certFile === undefined ? undefined : 'https_cert_file') : 'https_key_file';
  if (alone !== undefined) {
    findings.problem(['proxy_service', alone], 'must be given together with its other half of the pair');
  }
  return pairs;
}

/** Whoever may say whose connection it passes on decides what addresses mean, so nobody may unless named. */
function buildBalancers(section: ProxySection, findings: Findings): readonly string[] {
  const { proxy_protocol: isOn = false, proxy_protocol_from: from = [] } = section;
  from.forEach((text, index) => {
    if (parseNetwork(text) === undefined) {
      findings.problem(
        ['proxy_service', 'proxy_protocol_from', index],
        'must be an IP address or a network such as 10.0.0.0/8',
      );
    }
  });
  if (isOn && from.length === 0) {
    findings.problem(
      ['proxy_service', 'proxy_protocol'],
      'needs proxy_protocol_from: the addresses or networks of the balancers; from anybody else the header is refused',
    );
  }
  if (!isOn && from.length > 0) {
    findings.notice(['proxy_service', 'proxy_protocol_from'], 'is not in force unless proxy_protocol is on');
  }
  return isOn ? from : [];
}

function noticeLater(section: ProxySection, findings: Findings): void {
  const keys = LATER_PROXY_KEYS.filter((key) => isAskedFor(section[key]));
  if (keys.length === 0) return;
  const verb = keys.length === 1 ? 'is' : 'are';
  findings.notice(['proxy_service'], `${keys.join(', ')} ${verb} not part of this release and ignored`);
}
