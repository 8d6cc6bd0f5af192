// People of the stories on Kubernetes: each has a home on this machine, signs up by a link, signs in with `gate` through the
// proxies, and uses the stock OpenSSH client.
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '#test/kit/cluster.ts';
import { runProgram, type Ran } from '#test/kit/daemon.ts';

/** Of the pods of the image; the only account in them that people log in to. */
export const POD_LOGIN = 'gatehouse';
const PASSWORD = 'nine plain words that nobody would ever guess here';
const SSH_MS = 120_000;

export interface KubePerson {
  /** HOME of this person, with the login in it. */
  readonly home: string;
  gate(...args: readonly string[]): Promise<Ran>;
  /** The stock OpenSSH client with what `gate config` printed; `<node>.<cluster>` are its hosts. KILL after two minutes. */
  ssh(...args: readonly string[]): Promise<Ran>;
  /** The same with text to read, for a shell. */
  type(input: string, ...args: readonly string[]): Promise<Ran>;
  /** For `ssh -F`, where a story starts the client itself; its HOME is `home`. */
  readonly sshConfig: string;
  /** The same for `ssh -J`: nothing but OpenSSH, the key and the authorities that `gate login` wrote. */
  readonly jumpConfig: string;
}

export interface Invited {
  readonly name: string;
  /** Is made. */
  readonly home: string;
  /** At the end of the link. */
  readonly token: string;
  readonly publicAddress: string;
  readonly clusterName: string;
  readonly caPin: string;
}

/** Signs up and in. */
export async function signUp(invited: Invited): Promise<KubePerson> {
  const { name, home, token, publicAddress, caPin } = invited;
  mkdirSync(home);
  const password = join(home, 'password');
  writeFileSync(password, PASSWORD, { mode: 0o600 });
  const gate = (...args: readonly string[]): Promise<Ran> => runProgram('gate', args, { HOME: home });
  const common = [`--proxy=${publicAddress}`, `--ca-pin=${caPin}`, `--password-file=${password}`];
  must(await gate('signup', token, ...common));
  must(await gate('login', `--user=${name}`, ...common));
  const sshConfig = join(home, 'ssh_config');
  writeFileSync(sshConfig, must(await gate('config')));
  const jumpConfig = join(home, 'jump_config');
  writeFileSync(jumpConfig, jumpConfigText(invited));
  const type = (input: string, ...args: readonly string[]): Promise<Ran> =>
    runToEnd('ssh', ['-F', sshConfig, ...args], home, input);
  const ssh = (...args: readonly string[]): Promise<Ran> => type('', ...args);
  return { home, gate, ssh, type, sshConfig, jumpConfig };
}

/** For `ssh -J door`. */
function jumpConfigText({ home, clusterName, publicAddress }: Invited): string {
  const profile = join(home, '.gate', clusterName);
  const [host = '', port = ''] = publicAddress.split(':');
  return `Host door
  HostName ${host}
  Port ${port}
Host *
  User ${POD_LOGIN}
  IdentityFile ${join(profile, 'key')}
  IdentitiesOnly yes
  IdentityAgent none
  UserKnownHostsFile ${join(profile, 'known_hosts')}
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  LogLevel ERROR
`;
}

/** A program to its end, by KILL after two minutes; its HOME is `home`. */
export async function runToEnd(
  command: string,
  args: readonly string[],
  home: string,
  input = '',
): Promise<Ran> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, HOME: home },
    timeout: SSH_MS,
    killSignal: 'SIGKILL',
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part));
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part));
  // What needs no input may end before it was all written.
  child.stdin.on('error', () => undefined).end(input);
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once('error', reject).once('close', resolve),
  );
  return { code, stdout, stderr };
}
