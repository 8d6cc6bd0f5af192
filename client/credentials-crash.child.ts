// A process that replaces the identity in a folder for as long as it lives, and tells of each replacement that is done:
// for the test that kills it.
import { openCredentialDir } from './credentials-dir.ts';
import { sampleRecord } from './credentials.fuzz.ts';

const [, , dataDir = ''] = process.argv;
const store = openCredentialDir(dataDir);
let record = await store.load();
if (record === undefined) {
  record = sampleRecord;
  await store.create(record);
}
process.send?.(record.generation);
for (;;) {
  record = { ...record, generation: record.generation + 1 };
  await store.replace(record);
  process.send?.(record.generation);
}
