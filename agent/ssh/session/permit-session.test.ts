// The requests of sessions that certificate and roles permit (core/access/ssh-sessions.ts), and what is run for them.
import { describe, expect, it } from 'vitest';
import { mergeSessionOptions, mergeTargetOptions } from '#core/access/options.ts';
import type { SshGrant } from '#core/certs/ssh/verify.ts';
import { chooseProgram } from './choose-program.ts';
import { copiesFiles, parseScp } from '#core/access/file-copy.ts';
import { findSftpServer } from './sftp-program.ts';
import { sessionRefusal, type SessionRequest } from '#core/access/ssh-sessions.ts';

const access = (permitPty: boolean, fileCopy: boolean) => ({
  grant: { permitPty } as SshGrant,
  options: { ...mergeSessionOptions([{}]), ...mergeTargetOptions([{}]), fileCopy },
  duties: [],
});

const REQUESTS: readonly (readonly [string, SessionRequest, needs: 'pty' | 'files' | 'nothing' | 'never'])[] =
  [
    ['a terminal', { what: 'terminal' }, 'pty'],
    ['a shell', { what: 'shell' }, 'nothing'],
    ['a command', { what: 'exec', command: 'uptime' }, 'nothing'],
    ['scp to the server', { what: 'exec', command: 'scp -t /tmp' }, 'files'],
    ['scp from the server', { what: 'exec', command: 'scp -r -p -f -- /etc' }, 'files'],
    ['scp by its path', { what: 'exec', command: '/usr/bin/scp -f x' }, 'files'],
    ['scp behind another command', { what: 'exec', command: 'cd /tmp && scp -t .' }, 'files'],
    ['scp in several lines', { what: 'exec', command: 'true\nscp -v\t-t x' }, 'files'],
    ['the SFTP server as a command', { what: 'exec', command: '/usr/lib/openssh/sftp-server' }, 'files'],
    ['rsync', { what: 'exec', command: 'rsync --server --sender -logDtpre.iLsfxC . /etc' }, 'files'],
    ['the SFTP subsystem', { what: 'subsystem', name: 'sftp' }, 'files'],
    ['another subsystem', { what: 'subsystem', name: 'netconf' }, 'never'],
    ['a subsystem without a name', { what: 'subsystem', name: '' }, 'never'],
  ];

describe.each(REQUESTS)('S10 %s', (_, request, needs) => {
  it.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])('ok: permit-pty %s, ssh_file_copy %s', (pty, files) => {
    const permitted = { pty, files, nothing: true, never: false }[needs];
    expect(sessionRefusal(request, access(pty, files)) === undefined).toBe(permitted);
  });
});

describe('commands that copy files', () => {
  it.each([
    ['scp -t /tmp/x', { action: 'write', path: '/tmp/x' }],
    ['scp -f a b', { action: 'read', path: 'a b' }],
    ['scp -r -p -d -t -- dir', { action: 'write', path: 'dir' }],
    [' scp -rf .', { action: 'read', path: '.' }],
    ['scp -t', { action: 'write', path: '' }],
  ])('ok: %s', (command, expected) => expect(parseScp(command)).toEqual(expected));
  it.each(['scp a b', 'scpx -t /tmp', 'echo scp -t x', 'uptime', '', 'ls; scp -t x'])(
    'ok: %j is no server of scp',
    (command) => expect(parseScp(command)).toBeUndefined(),
  );
  it('ok: the words in other commands are no copying', () => {
    expect(copiesFiles('man scp')).toBe(false);
    expect(copiesFiles('scp a host:b')).toBe(false);
    expect(copiesFiles('grep -t discp -t x')).toBe(false);
  });
});

describe('what is run', () => {
  const server = (): string => '/usr/lib/sftp-server';
  it('ok: a shell, a command, the SFTP server', () => {
    expect(chooseProgram({ what: 'shell' }, undefined)).toMatchObject({
      program: { kind: 'shell' },
      env: {},
    });
    expect(chooseProgram({ what: 'exec', command: 'uptime' }, undefined)).toMatchObject({
      program: { kind: 'command', command: 'uptime' },
      shown: 'uptime',
    });
    expect(chooseProgram({ what: 'subsystem', name: 'sftp' }, undefined, server)).toMatchObject({
      program: { kind: 'command', command: '/usr/lib/sftp-server' },
      transfer: { kind: 'sftp' },
    });
  });
  it('S10 ok: the command of the certificate is run whatever was asked for', () => {
    for (const wanted of [
      { what: 'shell' },
      { what: 'exec', command: 'id; rm -rf /' },
      { what: 'subsystem', name: 'sftp' },
    ] as const) {
      const chosen = chooseProgram(wanted, '/opt/backup --only', server);
      expect(chosen).toMatchObject({
        program: { kind: 'command', command: '/opt/backup --only' },
        shown: '/opt/backup --only',
        transfer: undefined,
      });
    }
    expect(chooseProgram({ what: 'exec', command: 'id' }, 'x').env).toEqual({ SSH_ORIGINAL_COMMAND: 'id' });
    expect(chooseProgram({ what: 'shell' }, 'x').env).toEqual({});
  });
  it('S10 ok: a certificate for SFTP alone gives SFTP alone', () => {
    const chosen = chooseProgram({ what: 'exec', command: 'id' }, 'internal-sftp -d /srv', server);
    expect(chosen).toMatchObject({
      program: { command: '/usr/lib/sftp-server' },
      transfer: { kind: 'sftp' },
    });
    expect(chooseProgram({ what: 'shell' }, 'internal-sftp-not', server).transfer).toBeUndefined();
  });
  it('S22 ok: without a server on the machine ours is run by a constant command', () => {
    const { program, env } = chooseProgram({ what: 'subsystem', name: 'sftp' }, undefined, () => undefined);
    expect(program).toMatchObject({
      command: expect.stringMatching(/^exec "\$\w+" --\S+ "\$\w+"$/) as string,
    });
    expect(env['GATEHOUSE_SFTP_MAIN']).toMatch(/sftp\/main\.ts$/);
  });
  it('ok: the server of the machine is found', () => {
    expect(findSftpServer(['/no/such', '/bin/sh'])).toBe('/bin/sh');
    expect(findSftpServer(['/no/such'])).toBeUndefined();
  });
});
