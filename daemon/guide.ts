// What to do next, for a person who started the daemon in a terminal. Pure.

export interface GuideFacts {
  readonly clusterName: string;
  /** `host:port` under which other machines reach the auth service. */
  readonly authServer: string;
  readonly caPins: readonly string[];
  readonly dataDir: string;
  /** The file that was read; undefined for the defaults. */
  readonly configPath: string | undefined;
  /** True when `gatectl` finds this daemon without being told of a file. */
  readonly isDefault: boolean;
}

/** Several lines, each complete. */
export function guideText(facts: GuideFacts): string {
  const { clusterName, authServer, caPins, dataDir, configPath, isDefault } = facts;
  const gatectl = isDefault ? 'gatectl' : `gatectl --config=${shellWord(configPath ?? 'FILE')}`;
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
