// The engine of applications: pages inside go to http/, consoles and APIs of AWS to aws/.
import type { Resource } from '#core/resource.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import type { AppEngine, TargetConnection, TargetGround } from '../target/connection.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { answerAll, openHttpApps } from './http/engine.ts';
import { openAppSessions } from './http/sessions.ts';
import { openAppTokens } from './http/tokens.ts';

export function openApps(ground: TargetGround): AppEngine {
  const tokens = openAppTokens(ground);
  const people = openAppSessions(ground);
  const http = openHttpApps({ ...ground, tokens, people });
  let closing: Promise<void> | undefined;
  return {
    serve(connection: TargetConnection, app: Resource<AppSpec>) {
      http.serve(connection, app);
    },
    refuse(stream, { code, message }) {
      stream.on('error', () => {});
      answerAll({ stream }, ground, new GatehouseError(code, message));
    },
    get count() {
      return http.count;
    },
    close() {
      http.close();
      closing ??= people.close();
      return closing;
    },
  };
}
