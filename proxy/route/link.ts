// The way to a node once it is open: a socket, or a channel through a tunnel or a peer; and its other half, the side of
// the user. Any of the one is joined to any of the other here, and nowhere else is looked at what flows.
import type { Duplex } from 'node:stream';
import type { Clock } from '#core/clock.ts';
import { splice } from '#wire/splice.ts';
import { spliceChannel, spliceChannels, type ChannelPort } from '#wire/splice-channel.ts';

export type Link =
  | { readonly is: 'socket'; readonly socket: Duplex }
  | { readonly is: 'channel'; readonly port: ChannelPort };

/** Joins the user's channel to the node; both are owned from now on. */
export function joinChannel(port: ChannelPort, link: Link, clock: Clock): void {
  if (link.is === 'channel') spliceChannels(port, link.port);
  else spliceChannel(port, link.socket, clock);
}

/** Joins the user's stream to the node; both are owned from now on. */
export function joinStream(stream: Duplex, link: Link, clock: Clock): void {
  if (link.is === 'channel') spliceChannel(link.port, stream, clock);
  else splice(stream, link.socket);
}

/** Gives up a way that nobody wants any more. */
export function dropLink(link: Link): void {
  if (link.is === 'channel') link.port.drop();
  else link.socket.destroy();
}
