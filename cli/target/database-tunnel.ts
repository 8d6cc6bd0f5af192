// A local way to a database for clients that can show no certificate, or that do not find to the proxy by themselves: what
// they send goes out with the certificate of the person who runs this.
import { DB_PROTOCOL } from '#wire/target/protocols.ts';
import type { Gate } from '../commands/gate/context.ts';
import { oneLine } from '../format/text.ts';
import { keepTarget, type TargetWish } from './certificate.ts';
import { listenLocally, type LocalListener, type LocalListenerOptions } from './local-listener.ts';
import { greetPostgres, refusePostgres } from './local-postgres.ts';
import { openTarget } from './road.ts';

/** No password is asked of those who connect. ALREADY_EXISTS when the port is taken; the caller closes it. */
export function openDatabaseTunnel(
  { io, out, wanted }: Gate,
  wish: TargetWish,
  at: LocalListenerOptions['at'],
): Promise<LocalListener> {
  const kept = keepTarget(io, wanted, wish);
  return listenLocally({
    at,
    greet: (socket) => greetPostgres(socket, io.clock),
    async open() {
      const { profile, login } = await kept.current();
      return openTarget({ profile, login, protocol: DB_PROTOCOL, clock: io.clock, environment: io.env });
    },
    refuse: refusePostgres,
    failed: (error) => out.note(`a connection failed: ${oneLine((error as Error).message)}`),
  });
}
