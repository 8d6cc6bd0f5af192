// `gatehouse install systemd`: the unit under which the daemon runs in production.
import { fileURLToPath } from 'node:url';
import { resolve } from 'node:path';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { writePrivateFile } from '../../private-files.ts';
import type { GatehouseContext } from './context.ts';
import { systemdUnit } from './systemd-unit.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/gatehouse', import.meta.url));

export const installSystemd = command({
  about: 'Prints the unit, or writes it to a file that is not there yet.',
  flags: {
    output: flag.text({ says: 'Where to write it; standard output otherwise.', short: 'o', value: 'FILE' }),
    config: flag.textOr('/etc/gatehouse.yaml', {
      says: 'The configuration file.',
      short: 'c',
      value: 'FILE',
    }),
    'pid-file': flag.textOr('/run/gatehouse.pid', {
      says: 'Where the process id is written.',
      value: 'FILE',
    }),
    program: flag.text({ says: 'The program to run; this installation without it.', value: 'FILE' }),
  },
  examples: [
    'gatehouse install systemd',
    'gatehouse install systemd -o /etc/systemd/system/gatehouse.service',
  ],
  async run({ out }: GatehouseContext, { flags }) {
    const unit = systemdUnit({
      program: resolve(flags.program ?? PROGRAM),
      config: resolve(flags.config),
      pidFile: resolve(flags['pid-file']),
    });
    if (flags.output === undefined) {
      out.formatted(unit);
      return;
    }
    const path = resolve(flags.output);
    await writePrivateFile(path, unit, { overwrite: false, mode: 0o644 });
    out.note(`Wrote ${path}. Start with: systemctl daemon-reload && systemctl enable --now gatehouse`);
  },
});
