// The recording of a database session: its queries and what came of them, as events. Apart from the session because roles
// decide whether there is one, and whether the session may go on without.
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import type { DbSpec } from '#kinds/db/kind.ts';
import type { SessionRecorder } from '#recordings/recorder.ts';
import type { OpenedTarget } from '../../target/guard.ts';
import type { TargetConnection } from '../../target/connection.ts';
import type { EngineGround } from './engine.ts';
import type { ClientLogin } from './read-login.ts';

export interface RecordingOptions {
  readonly ground: EngineGround;
  readonly connection: TargetConnection;
  readonly db: Resource<DbSpec>;
  readonly opened: OpenedTarget;
  readonly login: ClientLogin;
  /** A strict session cannot be recorded any more: it must end. */
  onFailed(why: string): void;
}

const CANNOT = 'the session cannot be recorded, and must be';

/** Undefined where it is not recorded. STORAGE_FAILED when it must be and cannot. */
export async function startRecording(options: RecordingOptions): Promise<SessionRecorder | undefined> {
  const { ground, connection, db, opened, login, onFailed } = options;
  const mode = opened.options.recordTarget;
  if (mode === 'off') return undefined;
  try {
    const recorder = ground.record({
      sessionId: opened.id,
      kind: 'database',
      mode,
      facts: {
        user: connection.identity.name,
        login: login.user,
        server_id: ground.hostId,
        server_hostname: ground.hostname,
        cluster_name: ground.view.clusterName(),
        recorded_by: ground.hostId,
        protocol: 'postgres',
        db_service: db.metadata.name,
        db_name: login.database,
        'addr.remote': connection.client,
      },
    });
    recorder?.failed.catch(() => onFailed('the session ends because it cannot be recorded'));
    await recorder?.started;
    return recorder;
  } catch (error) {
    if (mode === 'strict') throw new GatehouseError('STORAGE_FAILED', CANNOT, { cause: error });
    ground.log.warn({ err: error, sid: opened.id }, 'a database session is not recorded');
    return undefined;
  }
}
