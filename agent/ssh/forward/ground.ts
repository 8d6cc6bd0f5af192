// What all forwards of one connection stand on: the question whether they are permitted, the record of what was done,
// and the channels that are open, so that they end when the permission does.
import type { ChannelPort } from '#wire/splice-channel.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import type { SshHost, SshPeer } from '../context.ts';
import { forwardRefusal, type Forward, type ForwardConfig } from '#core/access/ssh-forwards.ts';
import type { UserIds } from './as-user.ts';
import type { PrivateDirs } from './private-dir.ts';
import { Turns } from './turns.ts';

export interface ForwardParts {
  readonly host: SshHost;
  readonly peer: SshPeer;
  /** The account of the login on this machine. */
  readonly account: UserIds & { readonly home: string };
  /** Stands for the connection in the `sid` of its events, as forwards belong to no session. */
  readonly connectionId: string;
  readonly config: ForwardConfig & {
    readonly x11: { readonly displayOffset: number; readonly maxDisplays: number };
  };
  readonly dirs: PrivateDirs;
}

/** One forward, for its event. For paths the port is 0. */
export interface ForwardedTo {
  readonly forward: Forward;
  readonly addr: string;
  readonly port: number;
}

const MAX_HELPERS = 4;

export class ForwardGround {
  readonly parts: ForwardParts;
  /** Of processes that act as the account. */
  readonly turns = new Turns(MAX_HELPERS);
  readonly #open = new Map<Forward, Set<Channel>>();

  constructor(parts: ForwardParts) {
    this.parts = parts;
  }

  /** Undefined when it is permitted now; else why not. Put on record by `refused`. */
  refusal(forward: Forward): string | undefined {
    return forwardRefusal(forward, this.parts.peer.access, this.parts.config);
  }

  /** Keeps the channel as long as it is open. To be called before it is spliced. */
  track(forward: Forward, port: ChannelPort, channel: Channel): void {
    if (!channel.isOpen) return;
    const channels = this.#open.get(forward) ?? new Set();
    this.#open.set(forward, channels.add(channel));
    port.onClosed = () => channels.delete(channel);
  }

  /** Closes what is no longer permitted; tells of which kinds that is. */
  review(): ReadonlySet<Forward> {
    const lost = new Set<Forward>();
    for (const [forward, channels] of this.#open) {
      if (this.refusal(forward) === undefined) continue;
      lost.add(forward);
      for (const channel of channels) channel.close();
    }
    return lost;
  }

  /** The `port` event; `error` when it was refused or failed. */
  record({ forward, addr, port }: ForwardedTo, error?: string): void {
    const { host, peer, connectionId } = this.parts;
    const { access } = peer;
    host.emit({
      event: 'port',
      user: access.identity.name,
      ...(access.identity.impersonator === undefined ? {} : { impersonator: access.identity.impersonator }),
      login: access.login,
      sid: connectionId,
      server_id: host.hostId,
      server_hostname: host.hostname,
      'addr.local': access.localAddress,
      'addr.remote': access.remoteAddress,
      proto: 'ssh',
      action: forward,
      dst_addr: addr,
      dst_port: port,
      success: error === undefined,
      ...(error === undefined ? {} : { error }),
    });
  }
}
