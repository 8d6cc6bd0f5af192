import { describe, expect, test } from 'vitest';
import { runCli } from '#test/kit/cli.ts';
import { GatehouseError } from '#core/errors/error.ts';
import * as flag from './arguments.ts';
import { command, type Program } from './arguments.ts';

interface Seen {
  globals: object;
  calls: object[];
}

const add = command({
  flags: {
    roles: flag.list({ says: 'Roles.' }),
    ttl: flag.duration({ says: 'How long it is good.', fallback: '1h' }),
    force: flag.toggle({ says: 'Replace what exists.', short: 'f' }),
    kind: flag.oneOf(['user', 'host'], { says: 'Which.' }),
    limit: flag.integer(10, { says: 'How many.', min: 1, max: 100 }),
  },
  positionals: [
    { name: 'USER', says: 'the name of the user' },
    { name: 'LOGINS', says: 'accounts', isOptional: true },
  ],
  examples: ['tool users add joe joe,root'],
  async run(context: Seen, given) {
    context.calls.push(given);
  },
});
const many = command({
  flags: { format: flag.oneOf(['file', 'tls'], { says: 'What to write.' }) },
  positionals: [{ name: 'REFS', says: 'what to get', isMany: true, isOptional: true }],
  examples: ['tool get users'],
  async run(context: Seen, given) {
    context.calls.push(given);
    return 1;
  },
});

const remote = command({
  flags: {
    tty: flag.count({ says: 'A terminal.', short: 't' }),
    none: flag.toggle({ says: 'Nothing.', short: 'N' }),
    to: flag.texts({ says: 'Where to.', short: 'L', value: 'A:B' }),
  },
  positionals: [
    { name: 'HOST', says: 'the server' },
    { name: 'COMMAND', says: 'what to run', isOptional: true, isMany: true },
  ],
  literalAfter: 2,
  failureCode: 255,
  examples: ['tool on web-1 ls -l'],
  async run(context: Seen, given) {
    context.calls.push(given);
    if (given.words[1] === 'fail') throw new GatehouseError('UNAVAILABLE', 'gone');
  },
});

function program(seen: Seen): Program<Seen> {
  return {
    name: 'tool',
    says: 'A tool.',
    version: 'tool v1',
    examples: ['tool get all'],
    flags: {
      config: flag.text({ says: 'Config file.', short: 'c', value: 'FILE' }),
      debug: flag.toggle({ says: 'More.', short: 'd' }),
      format: flag.oneOf(['text', 'json', 'yaml'], { says: 'Format.' }),
    },
    verbs: [
      {
        name: 'users',
        aliases: ['user'],
        says: 'Work with users.',
        verbs: [{ name: 'add', says: 'Add a user.', load: async () => add }],
      },
      { name: 'get', says: 'Show resources.', load: async () => many },
      { name: 'on', says: 'Run there.', load: async () => remote },
    ],
    open(_io, globals) {
      seen.globals = globals;
      return seen;
    },
  };
}

async function run(line: string | readonly string[]) {
  const seen: Seen = { globals: {}, calls: [] };
  const result = await runCli(program(seen), line);
  return { ...result, globals: seen.globals, call: seen.calls[0] as flag.Given<flag.Flags> | undefined };
}

describe('flags', () => {
  const defaults = { roles: undefined, ttl: 3_600_000, force: false, kind: undefined, limit: 10 };
  test.each([
    ['positionals in order', 'users add joe joe,root', {}, ['joe', 'joe,root']],
    ['--flag=value', 'users add --ttl=5m joe', { ttl: 300_000 }, ['joe']],
    ['--flag value', 'users add --ttl 5m joe', { ttl: 300_000 }, ['joe']],
    [
      'a list before a name',
      'users add --roles=access,requester,db alice',
      { roles: ['access', 'requester', 'db'] },
      ['alice'],
    ],
    ['a list given twice', 'users add alice --roles a --roles b,c', { roles: ['a', 'b', 'c'] }, ['alice']],
    ['a switch takes no word', 'users add -f joe', { force: true }, ['joe']],
    ['a switch with a value', 'users add --force=false joe', {}, ['joe']],
    ['a closed set', 'users add joe --kind host', { kind: 'host' }, ['joe']],
    ['a number', 'users add joe --limit 7', { limit: 7 }, ['joe']],
    ['after -- all is words', 'users add -- --force -d', {}, ['--force', '-d']],
    ['a dash is a word', 'users add -', {}, ['-']],
    ['an alias of a group', 'user add joe', {}, ['joe']],
  ])('ok: %s', async (_, line, flags, words) => {
    const { call, stderr } = await run(line);
    expect(stderr).toBe('');
    expect(call).toEqual({ flags: { ...defaults, ...flags }, words });
  });

  test.each([
    ['before the verb', '--config x.yaml get all'],
    ['before the verb with =', '--config=x.yaml get all'],
    ['after the verb', 'get all -c x.yaml'],
    ['attached to the short form', 'get -cx.yaml all'],
  ])('ok: a flag of the program %s', async (_, line) => {
    const { globals, call } = await run(line);
    expect(globals).toEqual({ config: 'x.yaml', debug: false, format: undefined });
    expect(call?.words).toEqual(['all']);
  });

  test('ok: a flag of the command hides the one of the program', async () => {
    const { globals, call } = await run('get --format=tls');
    expect(globals).toMatchObject({ format: undefined });
    expect(call?.flags).toEqual({ format: 'tls' });
  });

  test('ok: the exit code of the command is that of the program', async () => {
    expect((await run('get')).exitCode).toBe(1);
    expect((await run('users add joe')).exitCode).toBe(0);
  });
});

describe('a command for another machine', () => {
  test.each<[string, string[], object]>([
    ['on web ls -l --help -N', ['web', 'ls', '-l', '--help', '-N'], { tty: 0, none: false, to: [] }],
    ['on web -t top -b', ['web', 'top', '-b'], { tty: 1 }],
    ['on -tt -N web -- -x', ['web', '-x'], { tty: 2, none: true }],
    ['on web echo -- x', ['web', 'echo', '--', 'x'], {}],
    ['on -NttL 1:2 -L3:4,5 web', ['web'], { none: true, tty: 2, to: ['1:2', '3:4,5'] }],
  ])('ok: %s', async (line, words, flags) => {
    const { call, stderr } = await run(line);
    expect([stderr, call?.words]).toEqual(['', words]);
    expect(call?.flags).toMatchObject(flags);
  });

  test('ok: its own exit code when it fails, and not when the line is wrong', async () => {
    expect((await run('on web fail')).exitCode).toBe(255);
    expect((await run('on --frob web')).exitCode).toBe(2);
    expect((await run('on --tty=yes web')).exitCode).toBe(2);
  });
});

describe('refusals', () => {
  test.each([
    ['an unknown verb', 'usres add', '"usres" is not a command of tool; did you mean "users"?'],
    [
      'an unknown verb in a group',
      'users ad',
      '"ad" is not a command of tool users; did you mean "users add"?',
    ],
    ['a verb like no other', 'frobnicate', '"frobnicate" is not a command of tool; see `tool --help`'],
    [
      'an unknown flag',
      'users add --role=x joe',
      '--role is not a flag of tool users add; did you mean --roles?',
    ],
    [
      'an unknown short flag',
      'users add -z joe',
      '-z is not a flag of tool users add; see `tool users add --help`',
    ],
    [
      'an unknown flag before the verb',
      '--confg x get',
      '--confg is not a flag of tool; did you mean --config?',
    ],
    ['letters after a switch', 'users add -fx joe', '-fx is not a flag of tool users add; did you mean -f?'],
    [
      'a name of the prototype',
      'users add --constructor joe',
      '--constructor is not a flag of tool users add',
    ],
    ['a flag without its value', 'users add joe --ttl', '--ttl needs a value: --ttl=TIME'],
    ['a flag in place of a value', 'users add joe --ttl --force', '--ttl needs a value: --ttl=TIME'],
    ['a flag given twice', 'users add joe --ttl 1m --ttl 2m', '--ttl is given twice'],
    ['a bad duration', 'users add joe --ttl=soon', '--ttl: "soon" is not a duration such as 30s'],
    [
      'a word outside the set',
      'users add joe --kind=hots',
      '--kind: must be one of user, host; did you mean "host"?',
    ],
    ['a number too large', 'users add joe --limit=101', '--limit: must be a number from 1 to 100'],
    ['a switch with another word', 'users add joe --force=maybe', '--force: must be true or false'],
    ['an empty text', '--config= get', '--config: needs a value, and an empty one was given'],
    ['a missing word', 'users add', 'USER is missing: the name of the user'],
    ['a word too many', 'users add a b c', '"c" is one word too many'],
  ])('refuses: %s', async (_, line, message) => {
    const { exitCode, stderr, stdout, call } = await run(line);
    expect(stderr).toContain(`ERROR: ${message}`);
    expect([exitCode, stdout, call]).toEqual([2, '', undefined]);
  });

  test('refuses: as JSON when JSON is asked for, however wrong the line is', async () => {
    const { stderr, exitCode } = await run('users ad --format json');
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'USAGE' } });
    expect(exitCode).toBe(2);
  });
});

describe('help', () => {
  test('ok: the program, aligned', async () => {
    const { stdout, exitCode } = await run('--help');
    expect(stdout).toBe(`A tool.

Usage:
  tool [flags] <command> [flags] [arguments]

Commands:
  users, user …  Work with users.
  get            Show resources.
  on             Run there.

Flags:
  -c, --config=FILE            Config file.
  -d, --debug                  More.
      --format=text|json|yaml  Format.

Examples:
  tool get all

Run \`tool <command> --help\` for the flags and examples of a command.
`);
    expect(exitCode).toBe(0);
  });

  test('ok: a command, aligned', async () => {
    const { stdout, exitCode } = await run('users add --help');
    expect(stdout).toBe(`Add a user.

Usage:
  tool users add [flags] USER [LOGINS]

Arguments:
  USER    the name of the user
  LOGINS  accounts

Flags:
      --roles=A,B       Roles.
      --ttl=TIME        How long it is good. (1h)
  -f, --force           Replace what exists.
      --kind=user|host  Which.
      --limit=N         How many. (10)

Flags of every command:
  -c, --config=FILE            Config file.
  -d, --debug                  More.
      --format=text|json|yaml  Format.

Examples:
  tool users add joe joe,root
`);
    expect(exitCode).toBe(0);
  });

  test.each(['help', 'help users add', 'users --help', '-h', 'users add joe -h', '--help users add'])(
    'ok: %s',
    async (line) => {
      const { exitCode, stdout, stderr, call } = await run(line);
      expect([exitCode, stderr, call]).toEqual([0, '', undefined]);
      expect(stdout).toContain('Usage:');
    },
  );

  test('ok: no command at all shows what there is, on stderr, as a failure', async () => {
    const { exitCode, stdout, stderr } = await run('users');
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain('Add a user.');
  });

  test('ok: --version', async () => {
    expect(await run('--version')).toMatchObject({ exitCode: 0, stdout: 'tool v1\n' });
  });
});
