// From `ssh_service:` and --labels to what the node service is started with.
import { parseDuration } from '#core/duration.ts';
import { parseAddress } from './address.ts';
import type { SshConfig } from './config.ts';
import type { Findings } from './findings.ts';
import { commandComplaint, labelNameComplaint, type CommandLabel, type Labels } from './labels.ts';
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
  const fromFile = { labels: section.labels ?? {}, commands: buildCommands(section, findings) };
  return {
    listenAddr,
    publicAddrs: findings.attemptAll(at('public_addr'), section.public_addr, (text) =>
      parseAddress(text, listenAddr.port),
    ),
    ...mergeLabels(fromFile, flag),
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

function buildCommands(section: SshSection, findings: Findings): CommandLabel[] {
  const names = new Set<string>();
  for (const name of Object.keys(section.labels ?? {})) {
    const complaint = labelNameComplaint(name);
    if (complaint !== undefined) findings.problem(['ssh_service', 'labels', name], complaint);
    names.add(name);
  }
  return (section.commands ?? []).map(({ name, command, period }, index) => {
    const at = (key: string) => ['ssh_service', 'commands', index, key];
    const nameComplaint = names.has(name) ? `"${name}" is there already` : labelNameComplaint(name);
    if (nameComplaint !== undefined) findings.problem(at('name'), nameComplaint);
    const complaint = commandComplaint(command);
    if (complaint !== undefined) findings.problem(at('command'), complaint);
    names.add(name);
    return { name, command, periodMs: parseDuration(period) };
  });
}

/** The command line wins over the file for labels of the same name, whether they are static or commands. */
function mergeLabels(file: Labels, flag: Labels | undefined): Labels {
  if (flag === undefined) return file;
  const taken = new Set([...Object.keys(flag.labels), ...flag.commands.map(({ name }) => name)]);
  const kept = Object.entries(file.labels).filter(([name]) => !taken.has(name));
  return {
    labels: { ...Object.fromEntries(kept), ...flag.labels },
    commands: [...file.commands.filter(({ name }) => !taken.has(name)), ...flag.commands],
  };
}
