// The table of gate, the command of users. Nothing is loaded before it is called.
import * as flag from '../../arguments.ts';
import type { Program } from '../../arguments.ts';
import { FORMATS, type Format } from '../../output.ts';
import { versionLine } from '../../version.ts';
import { openGate, type Gate } from './context.ts';

export const gate: Program<Gate> = {
  name: 'gate',
  says: 'gate signs you in to a Gatehouse cluster. Your certificates work with plain ssh.',
  version: versionLine(),
  flags: {
    format: flag.oneOf(FORMATS, { says: 'How to print.', short: 'f' }),
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
      name: 'logout',
      says: 'Remove keys and certificates from this machine.',
      load: async () => (await import('./logout.ts')).logout,
    },
    { name: 'version', says: 'Print the version.', load: async () => (await import('./version.ts')).version },
  ],
  examples: ['gate login --auth-server=10.0.10.5:3025 --user=alice', 'gate status -f json'],
  open: (io, flags) => openGate(io, flags['format'] as Format | undefined),
};
