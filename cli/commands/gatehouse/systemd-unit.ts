// The text of the unit. Pure. What it forbids is what the daemon never needs; the just-in-time compiler needs memory
// that is writable and executable, so that is not forbidden.
import { GatehouseError } from '#core/errors/error.ts';

export interface UnitPaths {
  /** Absolute each. */
  readonly program: string;
  readonly config: string;
  readonly pidFile: string;
}

export function systemdUnit({ program, config, pidFile }: UnitPaths): string {
  return `[Unit]
Description=Gatehouse
After=network-online.target
Wants=network-online.target

[Service]
Type=simple
Restart=on-failure
RestartSec=5
EnvironmentFile=-/etc/default/gatehouse
ExecStart=${unitWord(program)} start ${unitWord(`--config=${config}`)} ${unitWord(`--pid-file=${pidFile}`)}
ExecReload=/bin/kill -HUP $MAINPID
PIDFile=${unitPath(pidFile)}
TimeoutStopSec=10
LimitNOFILE=65536
UMask=0077
ProtectSystem=full
ProtectClock=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
`;
}

/** One word of a command line in a unit: % and $ mean something there, and quotes keep spaces. */
function unitWord(text: string): string {
  const safe = unitPath(text).replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$-]+$/.test(safe) ? safe : `"${safe.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

function unitPath(text: string): string {
  if (/\p{Cc}/u.test(text)) {
    throw new GatehouseError('USAGE', 'a path in a unit of systemd must not hold control characters');
  }
  return text.replaceAll('%', '%%');
}
