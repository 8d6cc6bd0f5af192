import { describe, expect, it } from 'vitest';
import { FakeClock } from '#test/kit/clock.ts';
import type { CommandOutcome } from '../../run-command.ts';
import { openAccounts, type Accounts } from './accounts.ts';
import { parseGroupId, parsePasswd, parseShadowExpiry } from './passwd.ts';

const JOE = 'joe:x:1001:1002:Joe,,,:/home/joe:/bin/bash\n';
const found = (output: string): CommandOutcome => ({ ok: true, output });
const missing: CommandOutcome = { ok: false, reason: 'exit code 2', exitCode: 2 };

describe('passwd', () => {
  it('ok: an entry', () => {
    const account = { name: 'joe', uid: 1001, gid: 1002, home: '/home/joe', loginShell: '/bin/bash' };
    expect(parsePasswd(JOE, 'joe')).toEqual(account);
    expect(parsePasswd(`other:x:1:1::/:/bin/sh\n${JOE}`, 'joe')).toEqual(account);
  });
  it('ok: what is left out has a default', () => {
    expect(parsePasswd('joe:x:1:2:::', 'joe')).toMatchObject({ home: '/', loginShell: '/bin/sh' });
    expect(parsePasswd('joe:x:1:2::home:bash', 'joe')).toMatchObject({ home: '/', loginShell: '/bin/sh' });
  });
  it.each([
    ['the entry of another name', 'root:x:0:0::/root:/bin/sh', '0'],
    ['another spelling', JOE, 'JOE'],
    ['an id that is no number', 'joe:x:-1:0::/:/bin/sh', 'joe'],
    ['an id that is none', 'joe:x:4294967295:0::/:/bin/sh', 'joe'],
    ['an empty id', 'joe:x::0::/:/bin/sh', 'joe'],
    ['a line with too many fields', 'joe:x:1:1::/:/bin/sh:x', 'joe'],
    ['nothing', '', 'joe'],
  ])('S15 refuses: %s', (_, output, login) => {
    expect(parsePasswd(output, login)).toBeUndefined();
  });
  it('ok: expiry and groups', () => {
    expect(parseShadowExpiry('joe:!:1:0:99999:7::2:', 'joe')).toBe(2 * 86_400_000);
    expect(parseShadowExpiry('joe:!:1:0:99999:7:::', 'joe')).toBeUndefined();
    expect(parseShadowExpiry('jim:!:1:0:99999:7::2:', 'joe')).toBeUndefined();
    expect(parseGroupId('tty:x:5:', 'tty')).toBe(5);
    expect(parseGroupId('ttyx:x:5:', 'tty')).toBeUndefined();
  });
});

describe('accounts', () => {
  const clock = new FakeClock();
  let asked: string[] = [];
  const open = (answers: Record<string, CommandOutcome>, ownUid = 0): Accounts => {
    asked = [];
    return openAccounts({
      clock,
      ownUid,
      getent: (database, key) => {
        asked.push(`${database} ${key}`);
        return Promise.resolve(answers[`${database} ${key}`] ?? missing);
      },
    });
  };

  it('ok: found, and kept for some seconds', async () => {
    const accounts = open({ 'passwd joe': found(JOE) });
    expect(await accounts.find('joe')).toMatchObject({ name: 'joe', uid: 1001 });
    await accounts.find('joe');
    expect(asked).toEqual(['passwd joe', 'shadow joe']);
    await clock.advance(6000);
    await accounts.find('joe');
    expect(asked).toHaveLength(4);
  });
  it('ok: an account that was made after a refusal is found', async () => {
    const answers: Record<string, CommandOutcome> = {};
    const accounts = open(answers);
    await expect(accounts.find('joe')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    answers['passwd joe'] = found(JOE);
    expect(await accounts.find('joe')).toMatchObject({ uid: 1001 });
  });
  it.each(['0', 'root'])('S15 refuses: a number for a name (%s)', async (login) => {
    const accounts = open({
      'passwd 0': found('root:x:0:0::/root:/bin/sh'),
      'passwd root': found('root:x:0:0::/root:/bin/sh'),
    });
    const outcome = await accounts.find(login).catch((error: unknown) => error);
    expect(outcome).toMatchObject(login === '0' ? { code: 'NOT_FOUND' } : { uid: 0 });
  });
  it.each(['', '-x', 'a:b', 'a\nb', 'a\0b', '../x', 'x'.repeat(300)])(
    'S3 refuses: %j is never asked for',
    async (login) => {
      const accounts = open({});
      await expect(accounts.find(login)).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(asked).toEqual([]);
    },
  );
  it('refuses: others, when the agent is not root', async () => {
    const answers = { 'passwd joe': found(JOE), 'passwd jim': found('jim:x:7:7::/:/bin/sh') };
    const accounts = open(answers, 1001);
    expect(await accounts.find('joe')).toMatchObject({ uid: 1001 });
    await expect(accounts.find('jim')).rejects.toMatchObject({ code: 'NOT_SUPPORTED' });
    expect(asked).not.toContain('shadow joe');
  });
  it('refuses: an account that has expired', async () => {
    const accounts = open({ 'passwd joe': found(JOE), 'shadow joe': found('joe:!:1:0:99999:7::1:') });
    await expect(accounts.find('joe')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });
  it('refuses: when the name service is away, that is what it says', async () => {
    const accounts = open({ 'passwd joe': { ok: false, reason: 'no end after 10 s' } });
    await expect(accounts.find('joe')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
  it('ok: the real name service', async () => {
    const real = openAccounts({ clock, ownUid: 0 });
    expect(await real.find('root')).toMatchObject({ uid: 0, gid: 0, home: '/root' });
    await expect(real.find('0')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(real.find('no-such-account')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await real.terminalGroup()).toBe(5);
  });
});
