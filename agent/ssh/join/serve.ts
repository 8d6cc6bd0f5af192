// Serves those who came to join sessions of others: finds the session, and decides, as roles and locks are at that
// moment. Who is refused is put on record, and reads no more than an id.
import type { ClusterView } from '#client/cluster-view.ts';
import type { JoinMode } from '#core/access/join-sessions.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { parseIpPort } from '#core/ip-port.ts';
import type { SshAccess, SshHost, SshPeer } from '../context.ts';
import type { Refusal } from '#core/access/session-ground.ts';
import { SshRefusals } from '../refusals.ts';
import type { LiveTerminals } from '../session/live-terminals.ts';
import type { ServeGuest } from '../session/parts.ts';
import { joinRefusal, type JoinGround } from './decide.ts';
import { GuestChannel } from './guest-channel.ts';
import type { Party } from './party.ts';

export interface JoinServerParts {
  readonly host: SshHost;
  readonly view: Pick<ClusterView, 'accessSet' | 'locks'>;
  readonly live: LiveTerminals;
}

export function joinServer(parts: JoinServerParts): ServeGuest {
  const refusals = new SshRefusals(parts.host);
  return (opening, peer) => {
    const { access } = peer;
    const guest = new GuestChannel({
      clock: parts.host.clock,
      access,
      find: (id, mode) => findParty(parts, refusals, peer, { id, mode }),
      refusal: (party, mode) => refusalOf(parts, access, party, mode)?.message,
      onReview: (listener) => peer.onReview(listener),
    });
    guest.channel = opening.accept(guest);
  };
}

function findParty(
  parts: JoinServerParts,
  refusals: SshRefusals,
  { access }: SshPeer,
  { id, mode }: { readonly id: string; readonly mode: JoinMode },
): Party {
  const party = parts.live.get(id);
  if (party === undefined) {
    throw new GatehouseError(
      'NOT_FOUND',
      'no such session is going on here; `gate sessions ls` lists those there are',
    );
  }
  const refusal = refusalOf(parts, access, party, mode);
  if (refusal === undefined) return party;
  const { identity, remoteAddress } = access;
  const remoteIp = parseIpPort(remoteAddress)?.ip ?? '';
  const person = { identity, login: party.owner.login, remoteAddress, remoteIp };
  const asked = { action: `join as ${mode}`, resource: `session/${id}` };
  throw new GatehouseError(refusal.code, refusals.denied(person, refusal, asked));
}

function refusalOf(
  { host, view }: JoinServerParts,
  guest: SshAccess,
  { owner }: Party,
  mode: JoinMode,
): Refusal | undefined {
  return joinRefusal(
    { guest, mode, owner },
    { hostId: host.hostId, now: host.clock.now(), locks: view.locks(), access: accessOf(view, guest) },
  );
}

function accessOf(view: JoinServerParts['view'], { identity }: SshAccess): JoinGround['access'] {
  try {
    return view.accessSet(identity);
  } catch (error) {
    if (isCode(error, 'INVALID_RESOURCE')) return { unusable: error.message };
    throw error;
  }
}
