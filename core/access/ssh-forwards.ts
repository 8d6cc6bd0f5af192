// Which channel or request of an authenticated connection may be served: certificate, roles and configuration must all
// agree. One table, so that no kind of channel is ever served beside it.
import type { SshGrant } from '../certs/ssh/verify.ts';
import type { MergedOptions } from './options.ts';
import type { JoinDuty } from './require-join.ts';

/** What a connection may do, as things are now. */
export interface SshRights {
  readonly grant: SshGrant;
  readonly options: MergedOptions;
  readonly duties: readonly JoinDuty[];
}

/** What can be asked for besides a session. */
export const FORWARDS = ['local-tcp', 'remote-tcp', 'local-socket', 'remote-socket', 'agent', 'x11'] as const;
export type Forward = (typeof FORWARDS)[number];

/** What ssh_service says, as far as forwards go. */
export interface ForwardConfig {
  readonly allowTcpForwarding: boolean;
  readonly x11: { readonly enabled: boolean };
}

/** Why it is refused, for admins; undefined when it is permitted. Asked anew at every channel, as roles change. */
export function forwardRefusal(
  forward: Forward,
  { grant, options, duties }: SshRights,
  config: ForwardConfig,
): string | undefined {
  if (duties.length > 0) return UNSEEN;
  switch (forward) {
    case 'local-tcp':
    case 'local-socket':
    case 'remote-tcp':
    case 'remote-socket': {
      const side = forward.startsWith('local') ? 'local' : 'remote';
      if (!config.allowTcpForwarding) return 'forwarding is off on this server (allow_tcp_forwarding)';
      if (!grant.permitPortForwarding) return 'the certificate does not permit forwarding';
      if (!options.portForwarding[side]) return `the roles do not permit ${side} port forwarding`;
      return undefined;
    }
    case 'agent':
      if (!grant.permitAgentForwarding) return 'the certificate does not permit agent forwarding';
      return options.forwardAgent ? undefined : 'the roles do not permit agent forwarding (forward_agent)';
    case 'x11':
      if (!config.x11.enabled) return 'X11 forwarding is off on this server (x11)';
      if (!grant.permitX11Forwarding) return 'the certificate does not permit X11 forwarding';
      return options.x11Forwarding
        ? undefined
        : 'the roles do not permit X11 forwarding (permit_x11_forwarding)';
  }
}

/** What goes through a forward, nobody who joined would see. */
const UNSEEN =
  'the roles require others to join the sessions (require_session_join), which forwards would bypass';
