// The table of gate, the command of users. Nothing is loaded before it is called.
import * as flag from '../../arguments.ts';
import type { Program } from '../../arguments.ts';
import { FORMATS } from '../../output.ts';
import { versionLine } from '../../version.ts';
import { applications, databases } from './target-verbs.ts';
import { openGate, type Gate, type GateFlags } from './context.ts';

export const gate: Program<Gate> = {
  name: 'gate',
  says: 'gate signs you in to a Gatehouse cluster. Your certificates work with plain ssh.',
  version: versionLine(),
  flags: {
    format: flag.oneOf(FORMATS, { says: 'How to print.', short: 'f' }),
    proxy: flag.text({
      says: 'The proxy, by the address of its web port. (GATEHOUSE_PROXY)',
      value: 'HOST[:PORT]',
    }),
    cluster: flag.text({
      says: 'The cluster, when you are signed in to several. (GATEHOUSE_CLUSTER)',
      value: 'NAME',
    }),
    user: flag.text({ says: 'Your user name in the cluster. (GATEHOUSE_USER)', value: 'USER' }),
    debug: flag.toggle({ says: 'Say more when something fails.', short: 'd' }),
  },
  verbs: [
    {
      name: 'signup',
      says: 'Set your password and second factor with the link you were given.',
      load: async () => (await import('./signup.ts')).signup,
    },
    {
      name: 'login',
      says: 'Sign in and get certificates.',
      load: async () => (await import('./login.ts')).login,
    },
    {
      name: 'status',
      says: 'Show who you are signed in as.',
      load: async () => (await import('./status.ts')).status,
    },
    {
      name: 'ls',
      says: 'List the servers that you may use.',
      load: async () => (await import('./ls.ts')).ls,
    },
    {
      name: 'ssh',
      says: 'Open a shell on a server, or run a command there.',
      load: async () => (await import('./ssh.ts')).ssh,
    },
    {
      name: 'scp',
      says: 'Copy files to a server, or from it.',
      load: async () => (await import('./scp.ts')).scp,
    },
    {
      name: 'sftp',
      says: 'Files of a server, interactively.',
      load: async () => (await import('./sftp.ts')).sftp,
    },
    {
      name: 'join',
      says: 'Take part in a session that is going on.',
      load: async () => (await import('./join.ts')).join,
    },
    {
      name: 'sessions',
      says: 'Sessions that are going on.',
      verbs: [
        {
          name: 'ls',
          says: 'List them.',
          load: async () => (await import('./sessions-ls.ts')).sessionsLs,
        },
      ],
    },
    {
      name: 'play',
      says: 'Play a recorded session.',
      load: async () => (await import('./play.ts')).play,
    },
    {
      name: 'recordings',
      says: 'Recorded sessions: your own, and those that roles show you.',
      verbs: [
        {
          name: 'ls',
          says: 'List them, the newest first.',
          load: async () => (await import('./recordings.ts')).recordingsLs,
        },
        {
          name: 'export',
          says: 'Write one for other programs.',
          load: async () => (await import('./recordings.ts')).recordingsExport,
        },
      ],
    },
    {
      name: 'proxy',
      says: 'Bring other programs through the proxy.',
      verbs: [
        {
          name: 'ssh',
          says: 'Join standard input and output with a server: a ProxyCommand for ssh.',
          load: async () => (await import('./proxy-ssh.ts')).proxySsh,
        },
        {
          name: 'db',
          says: 'A port on this machine that leads to a database.',
          load: async () => (await import('./proxy-db.ts')).proxyDb,
        },
        {
          name: 'app',
          says: 'A port on this machine that is an application.',
          load: async () => (await import('./proxy-app.ts')).proxyApp,
        },
        {
          name: 'aws',
          says: 'A local proxy for programs that speak to AWS.',
          load: async () => (await import('./proxy-aws.ts')).proxyAws,
        },
      ],
    },
    databases,
    applications,
    {
      name: 'aws',
      says: 'Run the aws program through the cluster.',
      load: async () => (await import('./aws.ts')).aws,
    },
    {
      name: 'config',
      says: 'Print ssh_config that makes plain ssh work.',
      load: async () => (await import('./config.ts')).config,
    },
    {
      name: 'env',
      says: 'Print variables that make other shells mean this login.',
      load: async () => (await import('./env.ts')).env,
    },
    {
      name: 'logout',
      says: 'Remove keys and certificates from this machine.',
      load: async () => (await import('./logout.ts')).logout,
    },
    { name: 'version', says: 'Print the version.', load: async () => (await import('./version.ts')).version },
  ],
  examples: ['gate login --proxy=proxy.example.com --user=alice', 'gate status -f json'],
  open: (io, flags) => openGate(io, flags as GateFlags),
};
