// What to do next, for a person who started the daemon in a terminal. Pure.
import { join } from 'node:path';

export interface GuideFacts {
  readonly clusterName: string;
  /** `host:port` under which other machines reach the auth service. */
  readonly authServer: string;
  readonly caPins: readonly string[];
  readonly dataDir: string;
  /** The file that was read; undefined for the defaults. */
  readonly configPath: string | undefined;
  /** What stands before the names of programs: nothing when they are on the PATH, else their folder with a slash. */
  readonly programs: string;
  /** True when `gatectl` finds this daemon without being told of a file. */
  readonly isDefault: boolean;
}

/** Several lines, each complete. */
export function guideText(facts: GuideFacts): string {
  const { clusterName, authServer, caPins, dataDir, configPath, programs, isDefault } = facts;
  const program = shellWord(`${programs}gatectl`);
  const gatectl = isDefault ? program : `${program} --config=${shellWord(configPath ?? 'FILE')}`;
  const hint =
    isDefault || configPath !== undefined
      ? ''
      : `\n  FILE is a configuration file; it must hold  gatehouse: {data_dir: ${shellWord(dataDir)}}\n`;
  const pins = caPins.map((pin) => ` --ca-pin=${pin}`).join('');
  return `
Cluster ${clusterName} is up. Data is in ${dataDir}; settings come from ${configPath ?? 'the defaults'}.

  Add a user:     ${gatectl} users add joe --roles=access,editor --logins=joe
  Add a machine:  ${gatectl} nodes add
                  gatehouse start --roles=node --token=... --auth-server=${authServer}${pins}
  Look around:    ${gatectl} status
  Stop:           Ctrl-C
${hint}
`;
}

/** As a shell reads it back. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The folder of our programs with a slash, or nothing when a shell finds `gatectl` on this PATH. */
export function programsPrefix(
  path: string | undefined,
  folder: string,
  exists: (file: string) => boolean,
): string {
  const isFound = (path ?? '').split(':').some((entry) => entry !== '' && exists(join(entry, 'gatectl')));
  return isFound ? '' : folder;
}
