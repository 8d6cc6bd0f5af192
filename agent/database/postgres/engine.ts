// All database connections in the protocol of PostgreSQL that this agent serves: begins them, finds the one that a cancel
// request means, and ends them.
import { timingSafeEqual } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { sleep } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import { cancelProcessId } from '#wire/target/cancel-keys.ts';
import type { PostgresError } from '#wire/postgres/server-messages.ts';
import { errorMessage, uint32 } from '#wire/postgres/write.ts';
import type {
  CancelKey,
  DbEngine,
  TargetConnection,
  TargetGround,
  TargetRefusal,
} from '../../target/connection.ts';
import type { DbConnector } from '../connect.ts';
import type { DbProvisioner } from '../provision/contract.ts';
import { endStream } from './endings.ts';
import { readLogin } from './read-login.ts';
import { fatalOf } from './refusals.ts';
import { DbSession } from './session.ts';

export interface EngineGround extends Pick<
  TargetGround,
  'clock' | 'log' | 'hostId' | 'hostname' | 'view' | 'guard' | 'emit' | 'auditFilled' | 'record'
> {
  readonly connector: DbConnector;
  readonly provisioner: DbProvisioner;
  /** Of this host, in the cancel keys that clients are given. */
  readonly cancelProcessId: number;
}

/** Whoever is refused may take so long to say what they want. */
const REFUSAL_MS = 10_000;
const CLOSE_MS = 1500;

export class PostgresEngine implements DbEngine {
  readonly #ground: EngineGround;
  readonly #sessions = new Map<DbSession, Promise<void>>();
  #isClosed = false;

  constructor(ground: Omit<EngineGround, 'cancelProcessId'>) {
    this.#ground = { ...ground, cancelProcessId: cancelProcessId(ground.hostId) };
  }

  get count(): number {
    return this.#sessions.size;
  }

  serve(connection: TargetConnection, db: Resource<DbSpec>): void {
    if (this.#isClosed) {
      this.refuse(connection.stream, { code: 'UNAVAILABLE', message: 'this agent is about to end' });
      return;
    }
    const session = new DbSession({
      ground: this.#ground,
      connection,
      db,
      onCancel: (processId, secret) => this.cancel({ processId, secret }),
    });
    const done = session.run().finally(() => this.#sessions.delete(session));
    this.#sessions.set(session, done);
  }

  refuse(stream: Duplex, { code, message }: TargetRefusal): void {
    const { clock } = this.#ground;
    const timer = clock.after(REFUSAL_MS, () => stream.destroy());
    stream.on('error', () => stream.destroy());
    stream.once('close', () => timer.cancel());
    void tell(stream, fatalOf(new GatehouseError(code, message))).finally(() => endStream(stream, clock));
  }

  cancel({ processId, secret }: CancelKey): void {
    if (processId !== this.#ground.cancelProcessId) return;
    const wanted = uint32(secret);
    for (const session of this.#sessions.keys()) {
      if (timingSafeEqual(session.secret, wanted)) void session.cancel();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const session of this.#sessions.keys()) session.cut('the agent ends');
    // A database that is away cannot be asked to cancel.
    const late = new AbortController();
    const patience = sleep(this.#ground.clock, CLOSE_MS, late.signal).catch(() => {});
    await Promise.race([Promise.all(this.#sessions.values()), patience]);
    late.abort();
  }
}

/** Clients read an error only after they have said who they are. */
async function tell(stream: Duplex, error: PostgresError): Promise<void> {
  const isAsked = await readLogin(stream, () => {}).then(
    (login) => login !== undefined,
    () => true,
  );
  if (isAsked && stream.writable) stream.write(errorMessage(error));
}
