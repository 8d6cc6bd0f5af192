import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  accountEnvironment,
  ClientVariables,
  parseEnvironment,
  readSystemEnvironment,
  sessionEnvironment,
} from './environment.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-env-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('variables of the client', () => {
  it('ok: the language', () => {
    const variables = new ClientVariables();
    expect(variables.set('LANG', 'de_DE.UTF-8')).toBe(true);
    expect(variables.set('LC_ALL', 'C')).toBe(true);
    expect(variables.set('LC_TIME', 'sr_RS@latin')).toBe(true);
    expect(variables.entries()).toEqual({ LANG: 'de_DE.UTF-8', LC_ALL: 'C', LC_TIME: 'sr_RS@latin' });
  });
  it.each([
    'LD_PRELOAD',
    'LD_LIBRARY_PATH',
    'DYLD_INSERT_LIBRARIES',
    'PATH',
    'BASH_ENV',
    'ENV',
    'IFS',
    'SHELLOPTS',
    'LOCPATH',
    'GCONV_PATH',
    'GLIBC_TUNABLES',
    'NODE_OPTIONS',
    'PERL5LIB',
    'HOME',
    'SSH_AUTH_SOCK',
    'GATEHOUSE_SESSION',
    'TERM',
    'LC_',
    'LC_x',
    'lang',
    '',
  ])('S22 refuses: %s', (name) => {
    expect(new ClientVariables().set(name, 'x')).toBe(false);
  });
  it.each(['/tmp/evil', '../evil', 'a b', 'a\nb', 'a\0b', '$(id)', 'x'.repeat(200)])(
    'S22 refuses: the value %j',
    (value) => {
      expect(new ClientVariables().set('LC_ALL', value)).toBe(false);
    },
  );
  it('S33 refuses: more than a few', () => {
    const variables = new ClientVariables();
    const taken = Array.from({ length: 200 }, (_, index) => variables.set(`LC_X${index}`, 'C'));
    expect(taken.filter(Boolean)).toHaveLength(64);
    expect(variables.set('LC_X1', 'de')).toBe(true);
  });
});

describe('files', () => {
  it('ok: names, values and quotes', () => {
    const text = `# comment
PATH="/usr/bin:/opt/bin"
export EDITOR=vi
EMPTY=
SINGLE='a b'
WITH=a=b
 SPACE=kept as it is `;
    expect(parseEnvironment(text)).toEqual({
      PATH: '/usr/bin:/opt/bin',
      EDITOR: 'vi',
      EMPTY: '',
      SINGLE: 'a b',
      WITH: 'a=b',
      SPACE: 'kept as it is',
    });
  });
  it('S22 refuses: what changes programs, and what is no variable', () => {
    const text = 'LD_PRELOAD=/x.so\nBASH_ENV=/x\nIFS=x\nBASH_FUNC_ls%%=() { id; }\n1A=x\nA B=x\nJUNK\n=x';
    expect(parseEnvironment(text)).toEqual({});
  });
  it('S33 refuses: more than a file of sensible size', () => {
    const many = Array.from({ length: 5000 }, (_, index) => `V${index}=x`).join('\n');
    expect(Object.keys(parseEnvironment(many))).toHaveLength(256);
  });
  it('ok: the files of the machine, the later wins; none need be there', () => {
    const file = join(folder, 'environment');
    writeFileSync(file, 'http_proxy=http://proxy:3128\nLANG=C');
    const other = join(folder, 'locale');
    writeFileSync(other, 'LANG=de_DE.UTF-8');
    expect(readSystemEnvironment([file, other, join(folder, 'none')])).toEqual({
      http_proxy: 'http://proxy:3128',
      LANG: 'de_DE.UTF-8',
    });
  });
});

describe('sessions', () => {
  const account = { name: 'joe', uid: 1001, gid: 1001, home: '/home/joe', loginShell: '/bin/bash' };
  it('ok: what every login has; the machine may set PATH and nothing that says who it is', () => {
    const env = accountEnvironment(account, { PATH: '/opt/bin', HOME: '/evil', USER: 'root' });
    expect(env).toEqual({
      PATH: '/opt/bin',
      HOME: '/home/joe',
      USER: 'joe',
      LOGNAME: 'joe',
      SHELL: '/bin/bash',
      MAIL: '/var/mail/joe',
    });
    expect(accountEnvironment({ ...account, uid: 0 }, {})['PATH']).toContain('/sbin');
    expect(accountEnvironment(account, {})['PATH']).not.toContain('/sbin');
  });
  it('ok: where it comes from, for IPv4 and IPv6', () => {
    const facts = { sessionId: 's', hostId: 'h', clusterName: 'c', user: 'joe@example.com' };
    const remoteAddress = '[2001:db8::1]:4711';
    expect(sessionEnvironment({ ...facts, remoteAddress, localAddress: '10.0.0.7:3022' })).toEqual({
      SSH_CONNECTION: '2001:db8::1 4711 10.0.0.7 3022',
      SSH_CLIENT: '2001:db8::1 4711 3022',
      GATEHOUSE_SESSION: 's',
      GATEHOUSE_USER: 'joe@example.com',
      GATEHOUSE_CLUSTER: 'c',
      GATEHOUSE_HOST_ID: 'h',
    });
  });
});
