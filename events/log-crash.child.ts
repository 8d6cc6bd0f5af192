// A process that writes the audit log as fast as it can and dies of kill -9 in the middle of it; log-crash.slow.test.ts
// starts many of them one after the other. It prints each number once its event is acknowledged as durable.
import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { silentLog } from '#core/log.ts';
import { login } from './conformance/samples.ts';
import { openDirSink } from './dir/sink.ts';
import { realDisk, type Disk } from './disk.ts';
import { openAuditLog } from './log.ts';
import type { Sink } from './sink.ts';

const [folder = '', first = '1', dieAtWrite = '0'] = process.argv.slice(2);

/** Writes a piece of the data and dies, at the write that was chosen. */
let writes = 0;
const deadlyDisk: Disk = {
  async write(file, data, position) {
    if (++writes !== Number(dieAtWrite)) return realDisk.write(file, data, position);
    await file.write(data, 0, randomInt(data.length + 1), position);
    process.kill(process.pid, 'SIGKILL');
    return new Promise(() => undefined);
  },
};

/** Fails before or after the work, is slow, or hangs, one time in four. */
function flaky(sink: Sink): Sink {
  return {
    ...sink,
    name: `flaky:${sink.name}`,
    append(records) {
      const fate = randomInt(16);
      const failure = new GatehouseError('UNAVAILABLE', 'flaky');
      if (fate === 0) return Promise.reject(failure);
      if (fate === 1)
        return sink.append(records.slice(0, records.length >> 1)).then(() => Promise.reject(failure));
      if (fate === 2) return sink.append(records).then(() => Promise.reject(failure));
      if (fate === 3) return sink.append(records).then(() => new Promise(() => undefined));
      return sink.append(records);
    },
  };
}

const log = await openAuditLog({
  sinks: [
    await openDirSink({ path: join(folder, 'log'), log: silentLog, disk: deadlyDisk }),
    flaky(await openDirSink({ path: join(folder, 'flaky'), log: silentLog, disk: deadlyDisk })),
  ],
  spillDir: join(folder, 'journal'),
  clock: systemClock,
  log: silentLog,
  clusterName: 'example',
  writer: 'auth-1',
  disk: deadlyDisk,
  limits: { segmentBytes: 20_000, appendTimeoutMs: 20 },
});

for (let number = Number(first); ;) {
  const burst = Array.from({ length: 1 + randomInt(20) }, () => number++);
  await Promise.all(
    burst.map(async (n) => {
      await log.emitDurably(login(n));
      writeSync(1, `${n}\n`);
    }),
  );
}
