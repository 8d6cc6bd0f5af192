// From `ssh_service:` and --labels to what the node service is started with.
import { parseAddress } from './address.ts';
import type { SshConfig } from './config.ts';
import type { Findings } from './findings.ts';
import { buildCommands, labelsOver } from './build-labels.ts';
import type { Labels } from './labels.ts';
import { PORTS } from './ports.ts';
import type { SshSection } from './sections/services.ts';

const LATER = ['pam', 'enhanced_recording'] as const;
const FIRST_DISPLAY = 10;
const MAX_DISPLAYS = 1000;

export function buildSsh(section: SshSection, flag: Labels | undefined, findings: Findings): SshConfig {
  const at = (...path: (string | number)[]) => ['ssh_service', ...path];
  const listen = section.listen_addr ?? '0.0.0.0';
  const listenAddr = findings.attempt(at('listen_addr'), () =>
    parseAddress(listen, PORTS.node, '0.0.0.0'),
  ) ?? {
    host: '0.0.0.0',
    port: PORTS.node,
  };
  for (const key of LATER) {
    if (isOn(section[key])) findings.notice(at(key), 'is not part of this release; it is ignored');
  }
  const fromFile = {
    labels: section.labels ?? {},
    commands: buildCommands(section.labels, section.commands, ['ssh_service'], findings),
  };
  return {
    listenAddr,
    publicAddrs: findings.attemptAll(at('public_addr'), section.public_addr, (text) =>
      parseAddress(text, listenAddr.port),
    ),
    // The command line wins over the file.
    ...(flag === undefined ? fromFile : labelsOver(fromFile, flag)),
    allowTcpForwarding: section.allow_tcp_forwarding ?? true,
    fileCopy: section.ssh_file_copy ?? true,
    permitUserEnv: section.permit_user_env ?? false,
    x11: buildX11(section.x11),
  };
}

function buildX11(x11: SshSection['x11'] = {}): SshConfig['x11'] {
  return {
    enabled: x11.enabled ?? false,
    displayOffset: x11.display_offset ?? FIRST_DISPLAY,
    maxDisplays: x11.max_displays ?? MAX_DISPLAYS,
  };
}

/** `pam: {enabled: no}` asks for nothing. */
function isOn(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === true;
  const { enabled } = value as { enabled?: unknown };
  return enabled === true || ['yes', 'on', 'true'].includes(String(enabled).toLowerCase());
}
