// A process that tries to create the identity in a folder: for the test that only one of several can.
import type { GatehouseError } from '#core/errors/error.ts';
import { openCredentialDir } from './credentials-dir.ts';
import { sampleRecord } from './credentials.fuzz.ts';

const [, , dataDir = '', name = ''] = process.argv;
const outcome = await openCredentialDir(dataDir)
  .create({ ...sampleRecord, node_name: name })
  .then(
    () => 'ok',
    (error: GatehouseError) => error.code,
  );
process.send?.(outcome);
