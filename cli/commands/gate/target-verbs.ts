// The groups of gate for databases and applications: the part of its table that is about targets.
import type { Group } from '../../arguments.ts';
import type { Gate } from './context.ts';

export const databases: Group<Gate> = {
  name: 'db',
  says: 'Databases: sign in to one, and connect.',
  verbs: [
    {
      name: 'ls',
      says: 'List the databases that you may use.',
      load: async () => (await import('./db-ls.ts')).dbLs,
    },
    {
      name: 'login',
      says: 'Get a certificate for a database.',
      load: async () => (await import('./db-login.ts')).dbLogin,
    },
    {
      name: 'connect',
      says: 'Start psql on a database.',
      load: async () => (await import('./db-connect.ts')).dbConnect,
    },
    {
      name: 'env',
      says: 'Print variables for psql and others.',
      load: async () => (await import('./db-env.ts')).dbEnv,
    },
    {
      name: 'config',
      says: 'Print how to reach a database, for graphical clients and others.',
      load: async () => (await import('./db-config.ts')).dbConfig,
    },
    {
      name: 'logout',
      says: 'Remove certificates for databases from this machine.',
      load: async () => (await import('./db-logout.ts')).dbLogout,
    },
  ],
};

export const applications: Group<Gate> = {
  name: 'apps',
  aliases: ['app'],
  says: 'Applications, consoles and APIs of AWS among them.',
  verbs: [
    {
      name: 'ls',
      says: 'List the applications that you may use.',
      load: async () => (await import('./apps-ls.ts')).appsLs,
    },
    {
      name: 'login',
      says: 'Get a certificate for an application.',
      load: async () => (await import('./apps-login.ts')).appsLogin,
    },
    {
      name: 'config',
      says: 'Print how to reach an application, for other programs.',
      load: async () => (await import('./apps-config.ts')).appsConfig,
    },
    {
      name: 'logout',
      says: 'Remove certificates for applications from this machine.',
      load: async () => (await import('./apps-logout.ts')).appsLogout,
    },
  ],
};
