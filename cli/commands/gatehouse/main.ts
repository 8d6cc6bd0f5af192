// The entry of bin/gatehouse.
import { parseArgs } from 'node:util';
import { systemClock } from '#core/clock.ts';
import { startDaemon } from '#daemon/main.ts';

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: {
    config: { type: 'string', short: 'c' },
    'data-dir': { type: 'string' },
    debug: { type: 'boolean', short: 'd' },
  },
});
process.umask(0o077);
const daemon = await startDaemon({
  clock: systemClock,
  version: '0.1.0',
  stdout: process.stdout,
  stderr: process.stderr,
  configPath: values.config,
  flags: {
    ...(values['data-dir'] === undefined ? {} : { dataDir: values['data-dir'] }),
    ...(values.debug === undefined ? {} : { debug: values.debug }),
  },
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void daemon.close());
}
