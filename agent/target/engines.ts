// The engines of this release, opened on the ground that the road gives them.
import { openAwsCredentials } from '../aws/credentials.ts';
import { openApps } from '../app/open.ts';
import { openDbConnector } from '../database/connector.ts';
import { openDatabases } from '../database/open.ts';
import type { TargetsOptions } from './open.ts';

export const engines: TargetsOptions['engines'] = {
  db: (ground) => {
    const aws = openAwsCredentials(ground);
    return openDatabases({
      ...ground,
      connector: openDbConnector({ ...ground, aws, api: () => ground.membership.api() }),
    });
  },
  app: (ground) => openApps(ground),
};
