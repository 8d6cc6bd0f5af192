// What gatectl refuses, keeps whole, and does not let through to a terminal, on an auth service that runs.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startTestAuth, type TestAuth } from '#test/kit/auth-server.ts';
import { runCli, type CliMachine, type CliRun } from '#test/kit/cli.ts';
import { tempFolder } from '#test/kit/temp.ts';
import { until } from '#test/kit/until.ts';
import { prunable } from './apply-prune.ts';
import { gatectl } from './program.ts';

let house: TestAuth;
let config: string;
const folder = tempFolder();

beforeAll(async () => {
  house = await startTestAuth();
  config = join(folder, 'gatehouse.yaml');
  writeFileSync(config, `gatehouse:\n  data_dir: ${house.dataDir}\n`);
});
afterAll(() => house.close());

const run = (line: string | readonly string[], machine: CliMachine = {}): Promise<CliRun> =>
  runCli(gatectl, line, {
    home: folder,
    clock: house.clock,
    ...machine,
    env: { GATEHOUSE_CONFIG_FILE: config, ...machine.env },
  });
const path = (name: string): string => join(folder, name);
const role = (name: string, logins: readonly string[] = [], labels = ''): string =>
  `kind: role\nversion: v7\nmetadata:\n  name: ${name}\n  labels: {${labels}}\nspec:\n  allow:\n    logins: [${logins.join(',')}]\n`;
const has = (kind: string, name: string): boolean => house.auth.state.get(kind, name) !== undefined;

describe('all or nothing', () => {
  test('refuses: one bad document of three; nothing is applied, and the line is named', async () => {
    const stdin = `${role('one')}---\nkind: role\nmetadata: {name: two}\nspec: {alow: {}}\n---\n${role('three')}`;
    const { exitCode, stderr } = await run('create', { stdin });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      'ERROR: standard input is not valid; nothing was applied:\n  document 2, line 12: spec.alow',
    );
    expect([has('role', 'one'), has('role', 'three')]).toEqual([false, false]);
  });

  test('refuses: one that exists among new ones; nothing is applied', async () => {
    await run('create', { stdin: role('there') });
    const { exitCode, stderr } = await run('create', { stdin: `${role('new-one')}---\n${role('there')}` });
    expect([exitCode, has('role', 'new-one')]).toEqual([1, false]);
    expect(stderr).toContain('role "there" exists');
  });

  test('refuses: removing a role that is held, with others in the same line', async () => {
    await run('create', {
      stdin: `${role('held')}---\n${role('free')}---\nkind: user\nmetadata: {name: hal}\nspec: {roles: [held]}`,
    });
    const { exitCode, stderr } = await run('rm role/free role/held');
    expect([exitCode, has('role', 'free')]).toEqual([1, true]);
    expect(stderr).toContain('is held by the user hal');
  });

  test.each([
    ['nothing on standard input', 'create', '', 'holds no resource'],
    [
      'a file that is not there',
      'create nothing.yaml',
      '',
      'cannot read nothing.yaml: there is no such file',
    ],
    ['a folder', 'create /', '', 'cannot read /: it is a folder'],
  ])('refuses: %s', async (_, line, stdin, message) => {
    const { exitCode, stderr } = await run(line, { stdin });
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining(message)]);
  });

  test('refuses: bytes that are no text', async () => {
    writeFileSync(path('latin1.yaml'), Buffer.from('kind: r\xf4le', 'latin1'));
    expect((await run(['create', path('latin1.yaml')])).stderr).toContain('is not UTF-8 text');
  });

  test('ok: --dry-run checks and changes nothing', async () => {
    const { stdout } = await run('create --dry-run', { stdin: role('dry') });
    expect([stdout, has('role', 'dry')]).toEqual(['role "dry" would be created\n', false]);
  });
});

test.each([
  ['an unknown kind', 'get usres', '"usres" is not a known kind; did you mean "users"?'],
  ['a whole kind to remove', 'rm users', '"users" names no single resource; write kind/name'],
  ['no type of token', 'tokens add', '--type is missing'],
  ['an unknown type of token', 'tokens add --type=nod', 'did you mean "node"?'],
  ['a token for a second', 'tokens add --type=node --ttl=1s', '--ttl: must be at least 1m'],
  ['a token that is too short', 'tokens add --type=node --value=abc', 'must have at least 8 characters'],
  ['a token with a space', ['tokens', 'add', '--type=node', '--value=a b c d e f'], 'the token is not valid'],
  ['can-i for nobody', 'can-i create role', '--user is missing'],
  ['a lock on nothing', 'lock --ttl=1h', 'what is to be locked?'],
  ['a lock of the past', 'lock --user=x --expires=2020-01-01', '--expires: must be a time to come'],
  ['prune without a set', 'apply -f x --prune', '--prune needs --set=NAME'],
  ['a set that is no label', 'apply -f x --set=../x', '--set: must be 1 to 63 letters'],
  ['a time that is none', 'audit ls --from=yesterday', '--from: "yesterday" is not a time'],
  ['sign for nobody', 'auth sign --out=x', '--user is missing'],
  ['sign to nowhere', 'auth sign --user=joe', '--out is missing'],
  ['a database without a name', 'auth sign --format=db --out=x', '--host is missing'],
  ['no change', 'users update joe', 'nothing to change'],
  ['a role that is none', 'tokens add --type=nodee', '--type: a role must be one of'],
  ['kind and name as two words', 'get users joe', 'did you mean "users/joe"?'],
  ['a shell of its own', 'completion tcsh', 'SHELL must be one of bash, zsh, fish'],
])('refuses: %s, with exit code 2', async (_, line, message) => {
  const { exitCode, stdout, stderr } = await run(line);
  expect([exitCode, stdout]).toEqual([2, '']);
  expect(stderr).toContain(message);
});

describe('S27 what others wrote does not act on the terminal', () => {
  const NASTY = '\u001b[2J\u001b]0;pwned\u0007\u009b31m\u202e\r';
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  const RAW = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/u;

  beforeAll(async () => {
    await house.put(
      'node',
      'n-1',
      { hostname: `web${NASTY}`, addr: '10.0.0.1:3022' },
      { labels: { [`k${NASTY}`]: `v\nfake row${NASTY}` } },
    );
    await house.put('user', 'nasty', { roles: [], traits: { note: [NASTY] } }, { description: NASTY });
    await house.put('lock', 'l-1', { target: { login: `x${NASTY}` }, message: `line\n${NASTY}` });
  });
  afterAll(async () => {
    for (const [kind, name] of [
      ['node', 'n-1'],
      ['user', 'nasty'],
      ['lock', 'l-1'],
    ] as const)
      await house.remove(kind, name);
  });

  test.each([
    'nodes ls',
    'get nodes',
    'get nodes --format=text',
    'get nodes --format=json',
    'get user/nasty',
    'get user/nasty --format=json',
    'get locks',
    'get locks --format=text',
    'get all --format=text',
    'audit ls',
    'audit ls --format=yaml',
    `can-i --user=nasty --login=${'x'} ssh n-1`,
  ])('%s', async (line) => {
    const { stdout, stderr } = await run(line, { isTTY: true, env: { NO_COLOR: '1' } });
    expect(stdout + stderr).not.toMatch(RAW);
    expect(stdout).not.toMatch(/^fake row/m);
  });

  test('errors about hostile names as well', async () => {
    const { stderr } = await run(['get', `user/${NASTY}`], { isTTY: true, env: { NO_COLOR: '1' } });
    expect(stderr).not.toMatch(RAW);
    expect((await run([`us${NASTY}ers`], { env: { NO_COLOR: '1' } })).stderr).not.toMatch(RAW);
  });
});

test('S21 a token of any letters is one word of the shell in the line to paste', async () => {
  const token = "té:x='y'@+-".replaceAll("'", '');
  const { stdout } = await run(['nodes', 'add', `--token=${token}`]);
  const line = stdout.split('\n').at(-2) ?? '';
  const words = execFileSync('/bin/sh', ['-c', `for word in ${line}; do echo "$word"; done`], {
    encoding: 'utf8',
  });
  expect(words.split('\n')).toContain(`--token=${token}`);
});

describe('apply', () => {
  test('ok: a folder, with what changes field by field; then nothing; then pruned', async () => {
    mkdirSync(path('set/inner'), { recursive: true });
    writeFileSync(path('set/a.yaml'), `${role('set-a', ['x'])}---\n${role('set-b')}`);
    writeFileSync(path('set/.hidden.yaml'), 'not read');
    writeFileSync(path('set/README.md'), 'not read');
    writeFileSync(
      path('set/inner/c.json'),
      JSON.stringify({ kind: 'role', metadata: { name: 'set-c' }, spec: {} }),
    );
    const first = await run(['apply', '-f', path('set'), '-R', '--set=main']);
    expect(first.stderr).toBe('');
    expect(first.stdout).toContain('role/set-a created\n');
    expect(first.stdout).toContain('3 created, 0 updated, 0 deleted, 0 unchanged.\n');
    expect((await run(['apply', '-f', path('set'), '-R', '--set=main'])).stdout).toBe(
      '0 created, 0 updated, 0 deleted, 3 unchanged.\n',
    );
    writeFileSync(path('set/a.yaml'), role('set-a', ['x', 'y']));
    const dry = await run(['apply', '-f', path('set'), '--set=main', '--prune', '--dry-run']);
    expect(dry.stdout).toContain('role/set-a would be updated\n    spec.allow.logins:\n  +   "y"\n');
    expect(dry.stdout).toContain('Dry run: 0 created, 1 updated, 2 deleted, 0 unchanged.\n');
    expect(has('role', 'set-b')).toBe(true);
    await run(['apply', '-f', path('set'), '--set=main', '--prune']);
    expect(['set-a', 'set-b', 'set-c', 'there'].map((name) => has('role', name))).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test('ok: colours on a terminal, none with NO_COLOR', async () => {
    const stdin = role('painted', ['a']);
    expect((await run('apply -f - --dry-run', { stdin, isTTY: true })).stdout).toContain('\u001b[32m');
    expect(
      (await run('apply -f - --dry-run', { stdin, isTTY: true, env: { NO_COLOR: '1' } })).stdout,
    ).not.toContain('\u001b');
  });

  test('refuses: the same resource in two files', async () => {
    writeFileSync(path('one.yaml'), role('twice'));
    writeFileSync(path('two.yaml'), role('twice'));
    const { stderr } = await run(['apply', '-f', `${path('one.yaml')},${path('two.yaml')}`]);
    expect(stderr).toContain('role/twice is in');
  });

  test('ok: presets and other sets are never pruned', () => {
    const stored = ['access', 'mine', 'theirs', 'kept'].map((name) => ({
      kind: 'role',
      version: 'v7',
      metadata: { name, labels: { 'gatehouse.dev/apply-set': name === 'theirs' ? 'other' : 'main' } },
      spec: {},
    }));
    expect(prunable(stored, 'main', [stored[3]!])).toEqual([{ kind: 'role', name: 'mine' }]);
  });
});

describe('edit', () => {
  const editor = (name: string, body: string): string => {
    writeFileSync(path(name), `#!/bin/sh\n${body}\n`);
    chmodSync(path(name), 0o755);
    return path(name);
  };
  beforeAll(() => run('create', { stdin: role('edited', ['a']) }));

  test('ok: what the editor wrote is applied', async () => {
    const EDITOR = editor('ed-ok', `stat -c %a "$1" > ${path('mode')}; sed -i 's/- a/- b/' "$1"`);
    const { stdout, stderr } = await run('edit role/edited', { env: { EDITOR } });
    expect([stdout, stderr]).toEqual(['role "edited" has been updated\n', '']);
    expect(house.auth.state.get('role', 'edited')?.spec).toMatchObject({ allow: { logins: ['b'] } });
    expect(readFileSync(path('mode'), 'utf8')).toBe('600\n');
  });

  test('ok: an unchanged text changes nothing; words of EDITOR are arguments, not a shell', async () => {
    const EDITOR = editor('ed-args', `[ "$1" = "--wait;touch" ] && [ $# = 2 ]`);
    const { stderr, exitCode } = await run('edit role/edited', { env: { EDITOR: `${EDITOR} --wait;touch` } });
    expect([exitCode, stderr]).toEqual([0, 'Nothing was changed.\n']);
  });

  test('refuses: a change by somebody else meanwhile; the text is kept', async () => {
    const wait = `while [ ! -e ${path('go')} ]; do sleep 0.01; done`;
    const EDITOR = editor('ed-slow', `sed -i 's/- b/- mine/' "$1"; touch ${path('started')}; ${wait}`);
    const edit = run('edit role/edited', { env: { EDITOR } });
    await until('the editor has the text', () => existsSync(path('started')));
    await run('create -f', { stdin: role('edited', ['theirs']) });
    writeFileSync(path('go'), '');
    const { exitCode, stderr } = await edit;
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining('Somebody else changed it meanwhile')]);
    const kept = /Your text is kept in (\S+)/.exec(stderr)?.[1] ?? '';
    expect(readFileSync(kept, 'utf8')).toContain('- mine');
    rmSync(dirname(kept), { recursive: true });
    expect(house.auth.state.get('role', 'edited')?.spec).toMatchObject({ allow: { logins: ['theirs'] } });
  });

  test('refuses: another name, an editor that fails, one that is not there', async () => {
    const rename = editor('ed-name', `sed -i 's/name: edited/name: other/' "$1"`);
    const renamed = await run('edit role/edited', { env: { EDITOR: rename } });
    expect(renamed.stderr).toContain('cannot be edited');
    rmSync(dirname(/kept in (\S+)/.exec(renamed.stderr)?.[1] ?? ''), { recursive: true });
    expect((await run('edit role/edited', { env: { EDITOR: '/bin/false' } })).stderr).toContain(
      'ended with exit code 1',
    );
    for (const EDITOR of ['/no/such', '/etc/passwd/ed']) {
      const { stderr } = await run('edit role/edited', { env: { EDITOR } });
      expect(stderr).toContain('cannot be started');
    }
    const crash = editor('ed-crash', `sed -i 's/- /- typed-/' "$1"; exit 1`);
    const crashed = await run('edit role/edited', { env: { EDITOR: crash } });
    const kept = /kept in (\S+)/.exec(crashed.stderr)?.[1] ?? '';
    expect(readFileSync(kept, 'utf8')).toContain('- typed-');
    rmSync(dirname(kept), { recursive: true });
    expect((await run('edit roles', {})).exitCode).toBe(2);
  });
});

describe('auth sign', () => {
  beforeAll(() =>
    house.put('user', 'signer', { roles: ['access', 'editor'], traits: { logins: ['joe', 'root'] } }),
  );
  const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

  test('ok: file: usable with --identity; refused without an address, or with another pin', async () => {
    const out = path('signer.identity');
    const made = await run(['auth', 'sign', '--user=signer', `--out=${out}`, '--ttl=1h']);
    expect(made.stdout).toMatch(/^The credentials have been written to .+\nThey expire in 1h, at /);
    expect(mode(out)).toBe('600');
    const as = (...flags: string[]): Promise<CliRun> =>
      run([`--identity=${out}`, ...flags, 'status'], { env: { GATEHOUSE_CONFIG_FILE: '/no' } });
    const server = `--auth-server=127.0.0.1:${house.auth.port}`;
    expect(await as(server)).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('test.example.com'),
    });
    expect(await as(server, `--ca-pin=${house.auth.authorities.caPins()[0]}`)).toMatchObject({ exitCode: 0 });
    expect((await as(server, `--ca-pin=sha256:${'0'.repeat(64)}`)).stderr).toContain(
      'another certificate authority',
    );
    expect(await as()).toMatchObject({ exitCode: 2 });
    chmodSync(out, 0o644);
    expect((await as(server)).stderr).toContain('is open to other users');
  });

  test('ok: one who may not see a token may revoke it all the same', async () => {
    const out = path('remover.identity');
    await run(['auth', 'sign', '--user=signer', `--out=${out}`, '--ttl=1h']);
    const token = 'a'.repeat(32);
    await house.put('token', token, { roles: ['auth'] });
    const as = [`--identity=${out}`, `--auth-server=127.0.0.1:${house.auth.port}`];
    expect((await run([...as, 'tokens', 'ls'])).stdout).not.toContain(token);
    expect(await run([...as, 'tokens', 'rm', token])).toMatchObject({
      exitCode: 0,
      stdout: `Token ${token} has been deleted\n`,
    });
    expect(has('token', token)).toBe(false);
  });

  test('ok: openssh: ssh-keygen reads key and certificate', async () => {
    const out = path('signer-key');
    await run(['auth', 'sign', '--format=openssh', '--user=signer', `--out=${out}`]);
    const text = execFileSync('ssh-keygen', ['-L', '-f', `${out}-cert.pub`], { encoding: 'utf8' });
    expect(text).toMatch(/Principals: \n\s+joe\n\s+root\n/);
    expect(execFileSync('ssh-keygen', ['-y', '-f', out], { encoding: 'utf8' })).toMatch(
      /^ecdsa-sha2-nistp256 /,
    );
    expect([mode(out), mode(`${out}-cert.pub`)]).toEqual(['600', '600']);
  });

  test('ok: tls and db: openssl verifies the certificate with what is beside it', async () => {
    await run(['auth', 'sign', '--format=tls', '--user=signer', `--out=${path('t')}`]);
    const db = await run([
      'auth',
      'sign',
      '--format=db',
      '--host=db.example.com,10.0.0.9',
      `--out=${path('d')}`,
    ]);
    expect(db.stderr).toBe('');
    expect(
      execFileSync('openssl', ['verify', '-CAfile', path('d.cas'), path('d.crt')], { encoding: 'utf8' }),
    ).toContain('OK');
    for (const name of ['t', 'd']) {
      const pub = execFileSync('openssl', ['pkey', '-in', path(`${name}.key`), '-pubout'], {
        encoding: 'utf8',
      });
      const inside = execFileSync('openssl', ['x509', '-in', path(`${name}.crt`), '-noout', '-pubkey'], {
        encoding: 'utf8',
      });
      expect(inside).toBe(pub);
    }
  });

  test('refuses: to overwrite, unless told; nothing is half written', async () => {
    writeFileSync(path('x.crt'), 'mine');
    const { exitCode, stderr } = await run([
      'auth',
      'sign',
      '--format=tls',
      '--user=signer',
      `--out=${path('x')}`,
    ]);
    expect([exitCode, existsSync(path('x.key')), readFileSync(path('x.crt'), 'utf8')]).toEqual([
      1,
      false,
      'mine',
    ]);
    expect(stderr).toContain('add --overwrite');
    expect(
      (await run(['auth', 'sign', '--format=tls', '--user=signer', `--out=${path('x')}`, '--overwrite']))
        .exitCode,
    ).toBe(0);
  });
});

test('refuses: a backup of a store in memory; no file is left behind', async () => {
  const before = readdirSync(folder).length;
  const { exitCode, stderr } = await run(['backup', `--out=${path('backup.db')}`]);
  expect([exitCode, readdirSync(folder).length]).toEqual([1, before]);
  expect(stderr).toContain('this storage backend has no file to copy');
});

describe('completion', () => {
  const complete = async (line: string): Promise<string[]> => {
    const script = (await run('completion bash')).stdout;
    const words = line.split(' ');
    const call = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; COMP_LINE='${line}'; COMP_POINT=${line.length}; _gatectl; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', call], { encoding: 'utf8' })
      .split('\n')
      .filter((word) => word !== '');
  };

  test.each([
    ['gatectl us', ['users', 'user']],
    ['gatectl users a', ['add']],
    ['gatectl -d users re', ['reset']],
    ['gatectl tokens add --t', ['--type=', '--ttl=']],
    ['gatectl get use', ['users']],
    ['gatectl auth export --type=tls-', ['tls-user', 'tls-host']],
  ])('ok: bash: "%s"', async (line, expected) => {
    expect(await complete(line)).toEqual(expected);
  });

  test.each(['zsh', 'fish'])('ok: %s gets a script that names every command', async (shell) => {
    const { stdout } = await run(`completion ${shell}`);
    for (const word of ['users add', 'tokens rm', 'can-i']) expect(stdout).toContain(`'${word}'`);
  });
});
