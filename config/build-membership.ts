// How the services of this process become members of the cluster: which auth servers, with which token and pins.
import { parseAddress, type Address } from './address.ts';
import type { AuthConfig, JoinConfig } from './config.ts';
import type { FileContents } from './file.ts';
import type { Findings } from './findings.ts';
import type { ConfigFlags } from './flags.ts';
import { given } from './given.ts';
import { PORTS } from './ports.ts';
import { parseTokenName, parseTokenSource } from './tokens.ts';

const PIN = /^sha256:[0-9a-f]{64}$/i;

export interface Membership {
  readonly authServers: readonly Address[];
  readonly proxyServer?: Address;
  readonly join?: JoinConfig;
  readonly caPins: readonly string[];
}

/** `auth` is the service that runs here, if it does; `needed` says whether any other service must become a member. */
export function buildMembership(
  file: FileContents,
  flags: ConfigFlags,
  auth: AuthConfig | undefined,
  needed: boolean,
  findings: Findings,
): Membership {
  const proxyServer = buildProxyServer(file, findings);
  const remote = buildAuthServers(file, flags, proxyServer, findings);
  const join = buildJoin(file, flags, findings);
  if (auth === undefined && needed && remote.length === 0) {
    findings.problem(
      [file.top],
      'needs auth_server: the address of the auth service, which does not run here, or of a proxy (proxy_server)',
    );
  }
  if (auth !== undefined && remote.length > 0 && needed) {
    findings.notice(
      [file.top],
      'the auth service runs here, so services of this process use it and no other',
    );
  }
  return given({
    authServers: auth === undefined ? remote : [localAddress(auth.listenAddr)],
    proxyServer,
    join,
    caPins: buildPins(file, flags, auth !== undefined, findings),
  });
}

/** What listens on all addresses is reached on the loopback one. */
function localAddress({ host, port }: Address): Address {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port };
  return host === '::' ? { host: '::1', port } : { host, port };
}

function buildProxyServer({ global, top }: FileContents, findings: Findings): Address | undefined {
  const text = global.proxy_server;
  if (text === undefined) return undefined;
  return findings.attempt([top, 'proxy_server'], () => parseAddress(text, PORTS.web));
}

/** A proxy passes calls on to the auth service, so its web port is as good an address. */
function buildAuthServers(
  { global, top }: FileContents,
  flags: ConfigFlags,
  proxyServer: Address | undefined,
  findings: Findings,
): Address[] {
  if (flags.authServer !== undefined) {
    return findings.attemptAll(['--auth-server'], flags.authServer.split(','), (text) =>
      parseAddress(text, PORTS.auth),
    );
  }
  const { auth_server, auth_servers, proxy_server } = global;
  if (proxy_server !== undefined && (auth_server ?? auth_servers) !== undefined) {
    findings.problem([top, 'proxy_server'], 'must be left out when auth_server or auth_servers is set');
  }
  if (proxyServer !== undefined) return [proxyServer];
  if (auth_server !== undefined && auth_servers !== undefined) {
    findings.problem([top, 'auth_servers'], 'must be left out when auth_server is set');
  }
  if (auth_server !== undefined) {
    const one = findings.attempt([top, 'auth_server'], () => parseAddress(auth_server, PORTS.auth));
    return one === undefined ? [] : [one];
  }
  return findings.attemptAll([top, 'auth_servers'], auth_servers, (text) => parseAddress(text, PORTS.auth));
}

function buildJoin(
  { global, top }: FileContents,
  flags: ConfigFlags,
  findings: Findings,
): JoinConfig | undefined {
  const { auth_token, join_params } = global;
  if (auth_token !== undefined && join_params !== undefined) {
    findings.problem([top, 'auth_token'], 'must be left out when join_params is set');
  }
  const path = join_params === undefined ? [top, 'auth_token'] : [top, 'join_params', 'token_name'];
  const text = flags.token ?? join_params?.token_name ?? auth_token;
  if (text === undefined) return undefined;
  const where = flags.token === undefined ? path : ['--token'];
  return findings.attempt(where, () => joinConfig(text, join_params));
}

function joinConfig(text: string, params: FileContents['global']['join_params']): JoinConfig {
  const { method = 'token', rejoin = false } = params ?? {};
  return method === 'kubernetes'
    ? { method, tokenName: parseTokenName(text), rejoin }
    : { method, token: parseTokenSource(text), rejoin };
}

/** A pin that is not one must never be dropped in silence: without a pin the first contact is not protected. */
function buildPins(file: FileContents, flags: ConfigFlags, local: boolean, findings: Findings): string[] {
  const fromFile = (file.global.ca_pin ?? []).map((text, index) => ({
    text,
    path: [file.top, 'ca_pin', index],
  }));
  const pins = flags.caPins?.map((text) => ({ text, path: ['--ca-pin'] })) ?? fromFile;
  return pins.flatMap(({ text, path }) => {
    if (PIN.test(text)) return [text.toLowerCase()];
    const message = 'is not a pin: "sha256:" and 64 hex digits, as `gatectl status` prints it';
    if (local) findings.notice(path, `${message}; it is not needed while the auth service runs here`);
    else findings.problem(path, message);
    return [];
  });
}
