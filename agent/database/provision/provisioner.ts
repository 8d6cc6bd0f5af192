// Makes accounts for people for the time of their sessions, and takes them away: finds the primary, says what is missing,
// and puts each change on record.
import { sleep, type Clock } from '#core/clock.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Log } from '#core/log.ts';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { TargetEvent } from '../../target/connection.ts';
import type { DbConnector } from '../connect.ts';
import { activate, codeOf, deactivate, type Activation, type Ended } from './account.ts';
import { connectAdmin, type AdminConnection } from './admin-connection.ts';
import type { DbProvisioner, ProvisionedUser, ProvisionFinding, ProvisionRequest } from './contract.ts';
import { auroraWriter, isReplica, replicaRefused, writerOf } from './primary.ts';
import { explained, missingRights, probe } from './probe.ts';

export interface DbProvisionerOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly connector: DbConnector;
  readonly emit: (event: TargetEvent) => void;
}

type Db = Resource<DbSpec>;

/** What the end of the process waits for accounts to be taken away. */
const CLOSE_MS = 1500;
const END_MS = 15_000;
const END_TRIES = 3;
const END_PAUSE_MS = 1000;
const REPLICA_TRIES = 50;
const REPLICA_PAUSE_MS = 100;

export function openDbProvisioner(options: DbProvisionerOptions): DbProvisioner {
  return new Provisioner(options);
}

class Provisioner implements DbProvisioner {
  readonly #options: DbProvisionerOptions;
  readonly #ending = new Set<Promise<void>>();
  #isClosing = false;

  constructor(options: DbProvisionerOptions) {
    this.#options = options;
  }

  async open(db: Db, request: ProvisionRequest, signal: AbortSignal): Promise<ProvisionedUser> {
    const { connector, emit } = this.#options;
    const usesIam = connector.typeOf(db) === 'rds';
    /** Whether it was made is not known when the connection is cut meanwhile. */
    let maybe: ProvisionedUser | undefined;
    try {
      const made = await this.#onPrimary(db, request, signal, async (admin, primary) => {
        maybe = this.#provisioned(primary, db, request);
        await this.#activate(admin, { ...request, usesIam }, request, () => (maybe = undefined));
        if (primary !== db) await this.#awaitReplica(db, request, signal);
        return maybe;
      });
      emit({ event: 'db.user.create', ...this.#facts(db, request), success: true, db_roles: request.roles });
      return made;
    } catch (error) {
      void maybe?.close();
      const message = error instanceof Error ? error.message : String(error);
      emit({
        event: 'db.user.create',
        ...this.#facts(db, request),
        success: false,
        error: message.slice(0, 1000),
      });
      throw error;
    }
  }

  dryRun(db: Db, request: ProvisionRequest, signal: AbortSignal): Promise<readonly ProvisionFinding[]> {
    const usesIam = this.#options.connector.typeOf(db) === 'rds';
    return this.#onPrimary(db, request, signal, async (admin) => {
      const findings = await probe(admin, request);
      const trial = (): Promise<unknown> => activate(admin, { ...request, usesIam });
      try {
        await admin.transaction(trial, { andTakeBack: true });
        return [...findings, { ok: true, what: 'all of it works' }];
      } catch (error) {
        const what = error instanceof Error ? error.message : String(error);
        return [...findings, { ok: false, what }];
      }
    });
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    const late = new AbortController();
    const patience = sleep(this.#options.clock, CLOSE_MS, late.signal).catch(() => {});
    await Promise.race([Promise.all(this.#ending), patience]);
    late.abort();
    if (this.#ending.size > 0)
      this.#options.log.warn(
        { accounts: this.#ending.size },
        'accounts are left as they are: no time to take them away',
      );
  }

  #provisioned(primary: Db, db: Db, request: ProvisionRequest): ProvisionedUser {
    let ending: Promise<void> | undefined;
    return {
      close: (processIds = []) => {
        if (ending === undefined) {
          const work = this.#end(primary, db, request, processIds).finally(() => this.#ending.delete(work));
          this.#ending.add(work);
          ending = work;
        }
        return ending;
      },
    };
  }

  async #end(primary: Db, db: Db, request: ProvisionRequest, processIds: readonly number[]): Promise<void> {
    const { clock, emit, log } = this.#options;
    const facts = { event: 'db.user.deactivate', ...this.#facts(db, request) };
    for (let attempt = 1; ; attempt++) {
      try {
        const ended = await this.#endOnce(primary, request, processIds);
        const action = ACTIONS[ended];
        if (action !== undefined) emit({ ...facts, success: true, action });
        return;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // A certificate that has ended, or a lock, will not go away by trying again.
        const isFinal =
          this.#isClosing ||
          attempt === END_TRIES ||
          isCode(error, 'CERTIFICATE_INVALID', 'LOCKED', 'ACCESS_DENIED');
        log.warn(
          { database: db.metadata.name, user: request.user, attempt, err: error },
          'an account was not taken away',
        );
        if (isFinal) {
          emit({ ...facts, success: false, error: message.slice(0, 1000) });
          return;
        }
        await sleep(clock, END_PAUSE_MS * attempt);
      }
    }
  }

  async #endOnce(primary: Db, request: ProvisionRequest, processIds: readonly number[]): Promise<Ended> {
    const late = new AbortController();
    const timer = this.#options.clock.after(END_MS, () => late.abort(new Error('took too long')));
    const admin = await connectAdmin(this.#options.connector, primary, request, late.signal);
    try {
      const heir = primary.spec.admin_user?.owned_objects_to;
      return await admin.transaction(() =>
        deactivate(admin, { ...request, processIds, ownedObjectsTo: heir }),
      );
    } finally {
      timer.cancel();
      await admin.close();
    }
  }

  /** Calls `work` with an admin connection to the primary, which for a replica is another host. */
  async #onPrimary<T>(
    db: Db,
    request: ProvisionRequest,
    signal: AbortSignal,
    work: (admin: AdminConnection, primary: Db) => Promise<T>,
  ): Promise<T> {
    const first = writerOf(db) ?? db;
    const admin = await connectAdmin(this.#options.connector, first, request, signal);
    try {
      if (!(await isReplica(admin))) return await work(admin, first);
      const writer = await auroraWriter(admin, first);
      if (writer === undefined) throw replicaRefused(db);
      const there = await connectAdmin(this.#options.connector, writer, request, signal);
      try {
        if (await isReplica(there)) throw replicaRefused(db);
        return await work(there, writer);
      } finally {
        await there.close();
      }
    } finally {
      await admin.close();
    }
  }

  /** Until the account has come to the replica that the session will connect to. */
  async #awaitReplica(db: Db, request: ProvisionRequest, signal: AbortSignal): Promise<void> {
    const admin = await connectAdmin(this.#options.connector, db, request, signal);
    try {
      for (let attempt = 0; attempt < REPLICA_TRIES; attempt++) {
        const found = await admin.rows('SELECT 1 FROM pg_roles WHERE rolname = $1 AND rolcanlogin', [
          request.user,
        ]);
        if (found.length > 0) return;
        await sleep(this.#options.clock, REPLICA_PAUSE_MS, signal);
      }
      throw new GatehouseError(
        'UNAVAILABLE',
        'the account was made on the primary and has not come to this replica; try again',
      );
    } finally {
      await admin.close();
    }
  }

  /** `onRefused` when nothing was changed for sure. */
  async #activate(
    admin: AdminConnection,
    change: Activation,
    request: ProvisionRequest,
    onRefused: () => void,
  ): Promise<void> {
    try {
      await admin.transaction(() => activate(admin, change));
    } catch (error) {
      const isAnswer = error instanceof GatehouseError || /^[0-9A-Z]{5}$/.test(codeOf(error) ?? '');
      if (isAnswer) onRefused();
      throw error instanceof GatehouseError ? error : explained(error, await missingRights(admin, request));
    }
  }

  #facts(db: Db, { user, sessionId, database }: ProvisionRequest): Readonly<Record<string, unknown>> {
    return {
      user,
      sid: sessionId,
      db_service: db.metadata.name,
      db_protocol: db.spec.protocol,
      db_uri: db.spec.uri,
      db_type: this.#options.connector.typeOf(db),
      db_user: user,
      db_name: database,
    };
  }
}

const ACTIONS: Readonly<Record<Ended, string | undefined>> = {
  disabled: 'disabled',
  dropped: 'dropped',
  'in-use': undefined,
  gone: undefined,
};
