// `gate ssh`: a shell or a command on a server, or on all servers with some labels, with nothing but gate on this machine.
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { chooseLogin } from '../../ssh/choose-login.ts';
import { parseDestination } from '../../ssh/destination.ts';
import { readSshIdentity } from '../../ssh/identity.ts';
import { loginFirst } from '../../ssh/login-first.ts';
import { manySessions } from '../../ssh/session/many-sessions.ts';
import { oneSession } from '../../ssh/session/one-session.ts';
import { CONNECTION_FAILED, type Program } from '../../ssh/session/run-session.ts';
import { sshSettings } from '../../ssh/settings.ts';
import { findTargets, requireOne } from '../../ssh/targets.ts';
import type { Gate } from './context.ts';

export const ssh = command({
  about:
    'HOST is the name, id or address of a server, or labels: then the command runs on all servers that have them.\nThe server must show a certificate of the cluster for its name; there is no question about host keys.\nWith a terminal, ~? after a newline lists what can be done, and ~. ends the connection whatever happens.\nThe exit code is that of the command, 255 when the connection fails, 128 and more for a signal.',
  flags: {
    login: flag.text({ says: 'The account on the server.', short: 'l', value: 'LOGIN' }),
    port: flag.text({ says: 'A port that is not the one of the server.', short: 'p', value: 'PORT' }),
    'local-forward': flag.texts({
      says: 'Take connections here and make them there.',
      short: 'L',
      value: '[ADDRESS:]PORT:HOST:HOSTPORT',
    }),
    'remote-forward': flag.texts({
      says: 'Take connections there and make them here.',
      short: 'R',
      value: '[ADDRESS:]PORT[:HOST:HOSTPORT]',
    }),
    'dynamic-forward': flag.texts({
      says: 'A SOCKS proxy here, whose connections are made there.',
      short: 'D',
      value: '[ADDRESS:]PORT',
    }),
    'forward-agent': flag.toggle({ says: 'Let the server use the agent of this machine.', short: 'A' }),
    'no-forward-agent': flag.toggle({ says: 'Do not.', short: 'a' }),
    tty: flag.count({
      says: 'With a terminal, for a command too; twice: even where there is none.',
      short: 't',
    }),
    'no-tty': flag.toggle({ says: 'Without a terminal.', short: 'T' }),
    'no-remote-exec': flag.toggle({ says: 'Forwards only: no shell, no command.', short: 'N' }),
    'no-stdin': flag.toggle({ says: 'Do not read standard input.', short: 'n' }),
    quiet: flag.toggle({ says: 'No remarks and banners.', short: 'q' }),
    option: flag.texts({ says: 'In the words of ssh_config.', short: 'o', value: 'KEY=VALUE' }),
    ttl: flag.duration({ says: 'When there is no login yet: for how long.' }),
  },
  positionals: [
    { name: '[LOGIN@]HOST', says: 'the server' },
    { name: 'COMMAND', says: 'what to run there instead of a shell', isOptional: true, isMany: true },
  ],
  literalAfter: 2,
  failureCode: CONNECTION_FAILED,
  examples: [
    'gate ssh root@web-1',
    'gate ssh root@web-1 uptime',
    'gate ssh root@env=prod systemctl is-active nginx',
    'gate ssh -L 5432:localhost:5432 -N postgres@db-1',
    'gate --proxy=work.example.com --user=joe ssh root@luna',
  ],
  async run(gate: Gate, { flags, words: [where = '', ...rest] }) {
    const { io } = gate;
    const settings = sshSettings(flags, io.env);
    const destination = parseDestination(where);
    const text = rest.length > 0 ? rest.join(' ') : settings.command;
    const program: Program | undefined = flags['no-remote-exec']
      ? undefined
      : text === undefined
        ? { is: 'shell' }
        : { is: 'exec', command: text };
    const profile = await loginFirst(gate, { mayAsk: settings.mayAsk, ttlMs: flags.ttl });
    const identity = await readSshIdentity(io, profile.cluster);
    const login = chooseLogin(profile, [destination.login, settings.login], io.env['USER']);
    const port = destination.port ?? settings.port;
    const targets = await findTargets(gate.io, profile, {
      ...destination,
      ...(port === undefined ? {} : { port }),
    });
    const common = { io, profile, identity, login, settings };
    if (destination.labels !== undefined && text !== undefined && program !== undefined) {
      if (settings.terminal === 'force') throw usage('a terminal is for one server; leave out -tt');
      return manySessions({ ...common, targets, command: text });
    }
    const { server } = requireOne(targets, destination.text);
    return oneSession({ ...common, server, program, hasNoInput: flags['no-stdin'] });
  },
});
