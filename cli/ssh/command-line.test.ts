// What is typed: servers, forwards, options, and which account is meant.
import { describe, expect, test } from 'vitest';
import { chooseLogin } from './choose-login.ts';
import { parseDestination, type Destination } from './destination.ts';
import { parseDynamic, parseLocal, parseRemote, type End } from './forward/specs.ts';
import { sshSettings, type SshFlags } from './settings.ts';

describe('servers', () => {
  test.each<[string, Partial<Destination>]>([
    ['web-1', { host: 'web-1' }],
    ['root@web-1', { login: 'root', host: 'web-1' }],
    ['root@web-1:2222', { login: 'root', host: 'web-1', port: 2222 }],
    ['ssh://root@web-1:2222/', { login: 'root', host: 'web-1', port: 2222 }],
    ['a.b@web-1', { login: 'a.b', host: 'web-1' }],
    ['root@[2001:db8::1]:22', { host: '2001:db8::1', port: 22 }],
    ['2001:db8::1', { host: '2001:db8::1' }],
    ['10.0.0.7', { host: '10.0.0.7' }],
    [
      'root@env=prod,role=db',
      {
        login: 'root',
        labels: [
          ['env', 'prod'],
          ['role', 'db'],
        ],
      },
    ],
    ['env=', { labels: [['env', '']] }],
  ])('ok: %s', (text, expected) => {
    expect(parseDestination(text)).toMatchObject(expected);
  });

  test.each([
    '',
    '@web-1',
    'root@',
    'web 1',
    '-oProxyCommand=x',
    'root@-x',
    'web-1:0',
    'web-1:99999',
    'a@b@',
    'x\u0000y',
    '=x',
    'env=a,b',
    '-x@web-1',
    'ro ot@web-1',
  ])('S22 refuses: %j', (text) => {
    expect(() => parseDestination(text)).toThrow(/./);
  });
});

describe('accounts', () => {
  test('ok: what is named, the only one, or the one of this machine', () => {
    expect(chooseLogin({ logins: ['a', 'b'] }, [undefined, 'root'], 'a')).toBe('root');
    expect(chooseLogin({ logins: ['deploy'] }, [undefined], 'joe')).toBe('deploy');
    expect(chooseLogin({ logins: ['root', 'joe'] }, [], 'joe')).toBe('joe');
  });

  test('refuses: to guess', () => {
    expect(() => chooseLogin({ logins: ['root', 'admin'] }, [], 'joe')).toThrow(/yours are root, admin/);
  });
});

const tcp = (host: string, port: number): End => ({ is: 'tcp', host, port });
const socket = (path: string): End => ({ is: 'socket', path });

describe('forwards', () => {
  test.each<[string, End, End]>([
    ['8080:localhost:80', tcp('localhost', 8080), tcp('localhost', 80)],
    ['0.0.0.0:8080:db:5432', tcp('0.0.0.0', 8080), tcp('db', 5432)],
    ['*:8080:db:5432', tcp('', 8080), tcp('db', 5432)],
    [':8080:db:5432', tcp('', 8080), tcp('db', 5432)],
    ['[::1]:8080:[2001:db8::1]:80', tcp('::1', 8080), tcp('2001:db8::1', 80)],
    ['8080:/run/x.sock', tcp('localhost', 8080), socket('/run/x.sock')],
    ['/tmp/a.sock:/run/b.sock', socket('/tmp/a.sock'), socket('/run/b.sock')],
    ['/tmp/a.sock:db:5432', socket('/tmp/a.sock'), tcp('db', 5432)],
  ])('ok: -L %s', (text, listen, target) => {
    expect(parseLocal(text)).toEqual({ listen, target, text });
  });

  test('ok: -R with and without a target, and any port', () => {
    expect(parseRemote('0:localhost:80')).toMatchObject({
      listen: tcp('localhost', 0),
      target: tcp('localhost', 80),
    });
    expect(parseRemote('1080')).toEqual({ listen: tcp('localhost', 1080), text: '1080' });
  });

  test('ok: -D', () => {
    expect(parseDynamic('1080')).toEqual({ listen: tcp('localhost', 1080), text: '1080' });
    expect(parseDynamic('[::1]:1080')).toMatchObject({ listen: tcp('::1', 1080) });
  });

  test.each([
    '',
    '80',
    'x:y',
    '8080:localhost',
    '8080:localhost:0',
    '0:localhost:80',
    '1:2:3:4:5',
    '99999:h:1',
    '8080::80',
    'a b:1:h:2',
  ])('refuses: -L %s', (text) => {
    expect(() => parseLocal(text)).toThrow(/-L must be/);
  });
});

const NONE: SshFlags = {
  login: undefined,
  port: undefined,
  'local-forward': [],
  'remote-forward': [],
  'dynamic-forward': [],
  'forward-agent': false,
  'no-forward-agent': false,
  tty: 0,
  'no-tty': false,
  quiet: false,
  option: [],
};
const options = (...option: string[]): ReturnType<typeof sshSettings> => sshSettings({ ...NONE, option }, {});

describe('options', () => {
  test('ok: words of ssh_config, in either form and any case', () => {
    expect(options('user=joe', 'Port 2222', 'FORWARDAGENT = yes')).toMatchObject({
      login: 'joe',
      port: 2222,
      forwardsAgent: true,
    });
    expect(options('ServerAliveInterval=5', 'ServerAliveCountMax=2', 'ConnectTimeout=7')).toMatchObject({
      keepAliveMs: 5000,
      keepAliveCount: 2,
      connectMs: 7000,
    });
    expect(options('LocalForward=8080 localhost:80').locals).toHaveLength(1);
    expect(
      options('BatchMode=yes', 'LogLevel=QUIET', 'RequestTTY=force', 'ExitOnForwardFailure=yes'),
    ).toMatchObject({
      mayAsk: false,
      isQuiet: true,
      terminal: 'force',
      failsWithForwards: true,
    });
  });

  test('ok: the first counts, and flags before all', () => {
    expect(options('User=a', 'User=b').login).toBe('a');
    expect(
      sshSettings({ ...NONE, login: 'root', tty: 2, option: ['User=a', 'RequestTTY=no'] }, {}),
    ).toMatchObject({ login: 'root', terminal: 'force' });
  });

  test('S22 ok: of the environment only what was chosen is sent', () => {
    const env = { LANG: 'C', LC_ALL: 'C.UTF-8', SECRET: 'x', FOO_A: '1', AWS_KEY: 'y' };
    expect(sshSettings(NONE, env).env).toEqual([
      ['LANG', 'C'],
      ['LC_ALL', 'C.UTF-8'],
    ]);
    const chosen = sshSettings({ ...NONE, option: ['SendEnv=FOO_*', 'SetEnv=LANG=de A=b'] }, env).env;
    expect(Object.fromEntries(chosen)).toEqual({ LANG: 'de', LC_ALL: 'C.UTF-8', FOO_A: '1', A: 'b' });
  });

  test.each<[string, RegExp]>([
    ['StrictHostKeyChecking=no', /always checked/],
    ['StrictHostKeyChecking=accept-new', /always checked/],
    ['ProxyCommand=sh -c x', /way is by the proxy/],
    ['PermitLocalCommand=yes', /not an option of gate/],
    ['LocalCommand=touch x', /not an option of gate/],
    ['ForwardAgnet=yes', /did you mean ForwardAgent/],
    ['ForwardAgent=maybe', /yes or no/],
    ['Port=ssh', /port must be/],
    ['User=-x', /not a login/],
    ['SetEnv=1=2', /NAME=value/],
    ['nonsense', /not an option/],
    ['Port', /not an option|needs a value/],
  ])('S22 refuses: -o %s', (option, message) => {
    expect(() => options(option)).toThrow(message);
  });
});
