// `GET /v1/webapi/connect` with an upgrade: the same raw streams as on the web port itself, where a balancer in front
// ends TLS and lets only HTTP through. Apart from the routes because there is no answer but a change of protocol.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  CONNECT_PATH,
  UPGRADE_TO_APP,
  UPGRADE_TO_AUTH,
  UPGRADE_TO_DB,
  UPGRADE_TO_SSH,
} from '#core/api/web.ts';
import type { TargetService } from '#wire/target/header.ts';
import type { Origin } from '../listen/origin.ts';

export interface UpgradeTargets {
  /** Each owns the stream; `settled` as in listen/listener.ts. */
  ssh(stream: Duplex, origin: Origin, settled: () => void): void;
  auth(stream: Duplex, origin: Origin, settled: () => void): void;
  /** TLS with a certificate for a target is still to be spoken. */
  target(socket: Socket, origin: Origin, settled: () => void, service: TargetService): void;
}

export interface UpgradeClient {
  readonly origin: Origin;
  readonly settled: () => void;
}

/** Owns the socket: it is handed on as a stream of what the client asked for, or answered and ended. */
export function serveUpgrade(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  { origin, settled }: UpgradeClient,
  targets: UpgradeTargets,
): void {
  socket.on('error', () => socket.destroy());
  const { method, url, headers } = request;
  const target = targetOf(headers.upgrade, targets);
  if (method !== 'GET' || url !== CONNECT_PATH || target === undefined) {
    refuse(socket, '404 Not Found');
    return;
  }
  // No page has business here: what a browser sends by itself must not become a connection to SSH or auth.
  if (headers.origin !== undefined || headers['sec-fetch-mode'] !== undefined) {
    refuse(socket, '403 Forbidden');
    return;
  }
  socket.setTimeout(0);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: ${headers.upgrade}\r\n\r\n`,
  );
  socket.pause();
  if (head.length > 0) socket.unshift(head);
  target(socket, origin, settled);
}

type Target = (socket: Socket, origin: Origin, settled: () => void) => void;

function targetOf(protocol: string | undefined, targets: UpgradeTargets): Target | undefined {
  switch (protocol?.toLowerCase()) {
    case UPGRADE_TO_SSH:
      return (...client) => targets.ssh(...client);
    case UPGRADE_TO_AUTH:
      return (...client) => targets.auth(...client);
    case UPGRADE_TO_DB:
      return (...client) => targets.target(...client, 'db');
    case UPGRADE_TO_APP:
      return (...client) => targets.target(...client, 'app');
    default:
      return undefined;
  }
}

function refuse(socket: Socket, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`, () => socket.destroy());
}
