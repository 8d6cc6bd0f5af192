// Makes the party of a session with a terminal: known to this process, so that others can join, and to the cluster as
// soon as there is something to join.
import type { SshPeer } from '../context.ts';
import { announcementOf } from '../session/announcement.ts';
import type { SessionParts, TerminalSize } from '../session/parts.ts';
import type { Channel } from '#wire/ssh/ssh.ts';
import { Party } from './party.ts';

export interface PartyOf {
  readonly id: string;
  readonly peer: SshPeer;
  readonly channel: Channel;
  readonly size: TerminalSize;
}

/** It is forgotten when it is over; the caller sees to that. */
export function openParty(
  { host, runtime, announced }: SessionParts,
  { id, peer, channel, size }: PartyOf,
): Party {
  const party: Party = new Party({
    id,
    host,
    owner: peer.access,
    size,
    tell: (text) => void channel.write(Buffer.from(text)),
    onChange: () => announced?.set(id, announcementOf(host, party)),
    onOver: () => {
      runtime.live.remove(id);
      announced?.end(id);
    },
  });
  runtime.live.add(party);
  return party;
}
