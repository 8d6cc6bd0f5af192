// The table of gatectl: its verbs and the flags that all of them take. Nothing is loaded before it is called.
import * as flag from '../../arguments.ts';
import type { Entry, Program } from '../../arguments.ts';
import { FORMATS } from '../../output.ts';
import { versionLine } from '../../version.ts';
import { Gatectl } from './context.ts';

const users: Entry<Gatectl> = {
  name: 'users',
  aliases: ['user'],
  says: 'Add, list, change, reset and remove users.',
  verbs: [
    {
      name: 'add',
      says: 'Add a user and print the link with which the user signs up.',
      load: async () => (await import('./users-add.ts')).usersAdd,
    },
    {
      name: 'ls',
      aliases: ['list'],
      says: 'List users.',
      load: async () => (await import('./users-ls.ts')).usersLs,
    },
    {
      name: 'update',
      says: 'Change roles and traits of a user.',
      load: async () => (await import('./users-update.ts')).usersUpdate,
    },
    {
      name: 'reset',
      says: 'Clear password and second factor of a user, and print a link to set new ones.',
      load: async () => (await import('./users-reset.ts')).usersReset,
    },
    {
      name: 'rm',
      aliases: ['del'],
      says: 'Remove users, with their credentials.',
      load: async () => (await import('./users-rm.ts')).usersRm,
    },
  ],
};

const tokens: Entry<Gatectl> = {
  name: 'tokens',
  aliases: ['token'],
  says: 'Make, list and revoke the tokens with which machines join.',
  verbs: [
    {
      name: 'add',
      says: 'Make a join token.',
      load: async () => (await import('./tokens-add.ts')).tokensAdd,
    },
    {
      name: 'ls',
      aliases: ['list'],
      says: 'List tokens that are still good.',
      load: async () => (await import('./tokens-ls.ts')).tokensLs,
    },
    {
      name: 'rm',
      aliases: ['del'],
      says: 'Revoke tokens.',
      load: async () => (await import('./tokens-rm.ts')).tokensRm,
    },
  ],
};

const nodes: Entry<Gatectl> = {
  name: 'nodes',
  aliases: ['node'],
  says: 'Invite servers to the cluster, and list those that are in it.',
  verbs: [
    {
      name: 'add',
      says: 'Make a join token and print how to start a new node with it.',
      load: async () => (await import('./nodes-add.ts')).nodesAdd,
    },
    {
      name: 'ls',
      aliases: ['list'],
      says: 'List nodes.',
      load: async () => (await import('./nodes-ls.ts')).nodesLs,
    },
  ],
};

const resources: readonly Entry<Gatectl>[] = [
  { name: 'get', says: 'Show resources, as YAML.', load: async () => (await import('./get.ts')).get },
  {
    name: 'create',
    says: 'Create resources from a file or standard input.',
    load: async () => (await import('./create.ts')).create,
  },
  { name: 'rm', aliases: ['del'], says: 'Remove resources.', load: async () => (await import('./rm.ts')).rm },
  {
    name: 'edit',
    says: 'Change a resource in your editor.',
    load: async () => (await import('./edit.ts')).edit,
  },
  {
    name: 'apply',
    says: 'Bring the cluster to what files say, and show what changes.',
    load: async () => (await import('./apply.ts')).apply,
  },
];

const auth: Entry<Gatectl> = {
  name: 'auth',
  says: 'Sign certificates, and export the public keys of the authorities.',
  verbs: [
    {
      name: 'sign',
      says: 'Make keys here and have certificates signed for them.',
      load: async () => (await import('./auth-sign.ts')).authSign,
    },
    {
      name: 'export',
      says: 'Print the public keys of an authority.',
      load: async () => (await import('./auth-export.ts')).authExport,
    },
  ],
};

const audit: Entry<Gatectl> = {
  name: 'audit',
  says: 'Search and check the audit log.',
  verbs: [
    {
      name: 'ls',
      aliases: ['list'],
      says: 'Show events of the audit log.',
      load: async () => (await import('./audit-ls.ts')).auditLs,
    },
    {
      name: 'verify',
      says: 'Check that no event of the audit log was changed, removed or added.',
      load: async () => (await import('./audit-verify.ts')).auditVerify,
    },
  ],
};

const recordings: Entry<Gatectl> = {
  name: 'recordings',
  aliases: ['recording'],
  says: 'List, check, export and delete recordings of sessions.',
  verbs: [
    {
      name: 'ls',
      aliases: ['list'],
      says: 'List recordings, newest first.',
      load: async () => (await import('./recordings-ls.ts')).recordingsLs,
    },
    {
      name: 'verify',
      says: 'Check that every part of recordings is there and unchanged.',
      load: async () => (await import('./recordings-verify.ts')).recordingsVerify,
    },
    {
      name: 'export',
      says: 'Write a recording in the format of other programs.',
      load: async () => (await import('./recordings-export.ts')).recordingsExport,
    },
    {
      name: 'rm',
      aliases: ['del'],
      says: 'Delete recordings for good.',
      load: async () => (await import('./recordings-rm.ts')).recordingsRm,
    },
  ],
};

export const gatectl: Program<Gatectl> = {
  name: 'gatectl',
  says: 'gatectl administers a Gatehouse cluster. On the auth host it needs no login.',
  version: versionLine(),
  flags: {
    config: flag.text({
      says: 'The config file of the auth service on this machine.',
      short: 'c',
      value: 'FILE',
    }),
    'data-dir': flag.text({ says: 'The data folder of the auth service on this machine.', value: 'DIR' }),
    'auth-server': flag.text({ says: 'Address of the auth service.', value: 'HOST:PORT' }),
    identity: flag.text({
      says: 'Call as the identity in this file; see `auth sign`.',
      short: 'i',
      value: 'FILE',
    }),
    'ca-pin': flag.list({ says: 'Refuse a server that does not hold this authority.', value: 'sha256:…' }),
    format: flag.oneOf(FORMATS, { says: 'How to print.' }),
    debug: flag.toggle({ says: 'Say more when something fails.', short: 'd' }),
  },
  verbs: [
    {
      name: 'status',
      says: 'Show name, version and authorities of the cluster.',
      load: async () => (await import('./status.ts')).status,
    },
    users,
    tokens,
    nodes,
    ...resources,
    auth,
    audit,
    recordings,
    {
      name: 'explain',
      says: 'Say why a request was denied, by its denial id.',
      load: async () => (await import('./explain.ts')).explain,
    },
    {
      name: 'can-i',
      says: 'Say whether a user would be let in, and what decides.',
      load: async () => (await import('./can-i.ts')).canI,
    },
    {
      name: 'lock',
      says: 'Shut out a user, role, login or node at once.',
      load: async () => (await import('./lock.ts')).lock,
    },
    {
      name: 'backup',
      says: 'Copy the whole store into a file.',
      load: async () => (await import('./backup.ts')).backup,
    },
    {
      name: 'completion',
      says: 'Print the completion script of a shell.',
      load: async () => (await import('./completion.ts')).completion(gatectl),
    },
    { name: 'version', says: 'Print the version.', load: async () => (await import('./version.ts')).version },
  ],
  examples: [
    'gatectl status',
    'gatectl users add joe joe,root',
    'gatectl --config fresh.yaml get all > state.yaml',
  ],
  open: (io, flags) =>
    new Gatectl(io, {
      config: flags['config'] as string | undefined,
      dataDir: flags['data-dir'] as string | undefined,
      authServer: flags['auth-server'] as string | undefined,
      identity: flags['identity'] as string | undefined,
      caPins: flags['ca-pin'] as readonly string[] | undefined,
      format: flags['format'] as (typeof FORMATS)[number] | undefined,
    }),
  close: (context) => context.close(),
};
