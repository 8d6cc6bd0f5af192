// `gate proxy ssh`: a ProxyCommand for plain OpenSSH. Reaches the server and joins it with standard input and output.
import { command, usage } from '../../arguments.ts';
import { requireProxyLogin } from '../../profile/choose.ts';
import { reachServer } from '../../ssh/reach.ts';
import { joinStdio } from '../../ssh/stdio.ts';
import type { Gate } from './context.ts';

export const proxySsh = command({
  about: 'For ssh_config: ProxyCommand gate proxy ssh %r@%h:%p. `gate config` prints the whole of it.',
  flags: {},
  positionals: [{ name: '[USER@]HOST[:PORT]', says: 'the server: its name, id, address or labels' }],
  examples: [
    'gate proxy ssh root@web-1',
    "ssh -o ProxyCommand='gate proxy ssh %r@%h:%p' root@web-1.staging.example.com",
  ],
  async run({ io, wanted }: Gate, { words: [destination = ''] }) {
    const profile = await requireProxyLogin(io, wanted);
    const connection = await reachServer({
      profile,
      clock: io.clock,
      request: parseDestination(destination),
      environment: io.env,
      identity: async () => (await import('../../ssh/identity.ts')).readSshIdentity(io, profile.cluster),
    });
    await joinStdio(connection);
  },
});

/** The login in front is for the reader of a process list: the server learns it from SSH. */
export function parseDestination(text: string): { target: string; port?: number } {
  const host = text.slice(text.lastIndexOf('@') + 1);
  const [, bracketed, plain, port] =
    /^(?:\[([^\]]+)\]|([^:]*|[^:]*:[^:]*:.*?))(?::(\d{1,5}))?$/.exec(host) ?? [];
  const target = bracketed ?? plain ?? '';
  if (target === '' || Number(port ?? 0) > 65_535) {
    throw usage('HOST must be a server, such as root@web-1 or web-1:22');
  }
  return { target, ...(port === undefined ? {} : { port: Number(port) }) };
}
