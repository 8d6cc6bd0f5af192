// `gate config`: what makes plain `ssh web-1.CLUSTER` work, as text for ~/.ssh/config.
import { fileURLToPath } from 'node:url';
import { GatehouseError } from '#core/errors/error.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { requireProxyLogin } from '../../profile/choose.ts';
import { profilePaths, type Profile } from '../../profile/profile.ts';
import type { Gate } from './context.ts';

/** By its path, so that it need not be in the PATH of ssh. */
const LAUNCHER = fileURLToPath(new URL('../../../bin/gate', import.meta.url));

export const config = command({
  about:
    'Names end in the name of the cluster; with --match-all every name that ssh is given is looked for in the cluster.\nAppend it to ~/.ssh/config, or keep it in a file of its own and use `ssh -F FILE`.',
  flags: {
    port: flag.integer(3022, { says: 'The port that names stand for.', min: 1, max: 65_535 }),
    'match-all': flag.toggle({ says: 'For all host names, not only those of the cluster.' }),
  },
  examples: [
    'gate config >> ~/.ssh/config',
    'gate config --match-all > gate.conf && ssh -F gate.conf root@web-1',
  ],
  async run({ io, out, wanted }: Gate, { flags }) {
    const profile = await requireProxyLogin(io, wanted);
    const { key, knownHosts } = profilePaths(io, profile.cluster);
    const text = sshConfig({
      profile,
      port: flags.port,
      hosts: flags['match-all'] ? '*' : `*.${profile.cluster}`,
      key,
      knownHosts,
      program: LAUNCHER,
    });
    await out.show({ ssh_config: text }, () => out.formatted(text));
  },
});

export interface SshConfigParts {
  readonly profile: Pick<Profile, 'cluster' | 'user'>;
  readonly port: number;
  readonly hosts: string;
  readonly key: string;
  readonly knownHosts: string;
  /** Absolute path of `gate`. */
  readonly program: string;
}

/** Pure. INVALID_CONFIG when a path cannot be written in the language of ssh_config. */
export function sshConfig({ profile, port, hosts, key, knownHosts, program }: SshConfigParts): string {
  const lines: readonly (readonly [string, string])[] = [
    ['UserKnownHostsFile', quoted(knownHosts)],
    ['GlobalKnownHostsFile', '/dev/null'],
    ['StrictHostKeyChecking', 'yes'],
    ['IdentityFile', quoted(key)],
    ['CertificateFile', quoted(`${key}-cert.pub`)],
    ['IdentitiesOnly', 'yes'],
    ['Port', String(port)],
    ['ProxyCommand', `${commandWord(program)} --cluster=${profile.cluster} proxy ssh %r@%h:%p`],
  ];
  const body = lines.map(([keyword, value]) => `    ${keyword} ${value}\n`).join('');
  return `# The cluster ${profile.cluster} as ${profile.user.replace(/[\r\n]/g, ' ')}, by gate config\nHost ${hosts}\n${body}`;
}

/** ssh takes no escapes within quotes in the versions that are about, and % begins a token. */
function quoted(path: string): string {
  requirePlain(path, /["\r\n]/);
  return `"${path.replaceAll('%', '%%')}"`;
}

/** A ProxyCommand is read by a shell. */
function commandWord(path: string): string {
  requirePlain(path, /['\r\n]/);
  return `'${path.replaceAll('%', '%%')}'`;
}

function requirePlain(path: string, never: RegExp): void {
  if (!never.test(path)) return;
  throw new GatehouseError('INVALID_CONFIG', `${JSON.stringify(path)} cannot be written in a file for ssh`, {
    details: { remedy: 'Use a path without quotes and line breaks.' },
  });
}
