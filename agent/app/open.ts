// The engine of applications: pages inside go to http/, consoles and APIs of AWS to aws/.
import { isAwsApp } from '#kinds/app/kind.ts';
import { GatehouseError } from '#core/errors/error.ts';
import type { AppEngine, TargetGround } from '../target/connection.ts';
import { openAwsApps } from './aws/open.ts';
import { answerAll, openHttpApps } from './http/engine.ts';
import { openAppSessions } from './http/sessions.ts';
import { openAppTokens } from './http/tokens.ts';

/** INVALID_CONFIG when the environment's settings for AWS are not understood. */
export function openApps(ground: TargetGround): AppEngine {
  const parts = { ...ground, tokens: openAppTokens(ground), people: openAppSessions(ground) };
  const aws = openAwsApps(parts);
  const http = openHttpApps(parts);
  let closing: Promise<void> | undefined;
  return {
    serve: (connection, app) => (isAwsApp(app.spec) ? aws : http).serve(connection, app),
    refuse(stream, { code, message }) {
      stream.on('error', () => {});
      answerAll({ stream }, ground, new GatehouseError(code, message));
    },
    get count() {
      return http.count + aws.count;
    },
    close() {
      http.close();
      aws.close();
      closing ??= parts.people.close();
      return closing;
    },
  };
}
