import { describe, expect, it } from 'vitest';
import { Secret } from '#core/secret.ts';
import { awsEnvironment, awsVariables, setLine, type ShellFormat } from './variables.ts';

const session = {
  port: 23456,
  keys: { accessKeyId: 'GATEABC', secretAccessKey: new Secret("it's") },
  bundle: '/home/joe/.gate/c/app/aws.aws-ca.pem',
};

describe('what a shell is told', () => {
  it('ok: the documented variables, in the documented order', () => {
    expect(Object.keys(awsVariables(session, 'proxy'))).toEqual([
      'AWS_ACCESS_KEY_ID',
      'AWS_SECRET_ACCESS_KEY',
      'AWS_CA_BUNDLE',
      'HTTPS_PROXY',
    ]);
    expect(awsVariables(session, 'proxy')['HTTPS_PROXY']).toBe('http://127.0.0.1:23456');
    expect(awsVariables(session, 'endpoint')).toMatchObject({ AWS_ENDPOINT_URL: 'http://127.0.0.1:23456' });
  });

  it.each<[ShellFormat, string]>([
    ['unix', `export A='it'\\''s 50%'`],
    ['powershell', `$Env:A='it''s 50%'`],
    ['command-prompt', `set "A=it's 50%%"`],
    ['text', `A: it's 50%`],
  ])('S22 for %s, whatever the value holds', (format, line) => {
    expect(setLine(format, 'A', "it's 50%")).toBe(line);
  });
});

describe('the environment of aws', () => {
  const base = {
    PATH: '/bin',
    AWS_PROFILE: 'prod',
    AWS_SESSION_TOKEN: 'x',
    NO_PROXY: '.amazonaws.com',
    https_proxy: 'http://corp:3128',
    AWS_REGION: 'eu-west-1',
  };

  it('ok: other keys, profiles and proxies do not come before those of the session', () => {
    const env = awsEnvironment(session, { args: ['s3', 'ls'], env: base, platform: 'linux' });
    expect(env['AWS_PROFILE']).toBeUndefined();
    expect(env['AWS_SESSION_TOKEN']).toBeUndefined();
    expect(env['NO_PROXY']).not.toContain('amazonaws');
    expect(env).toMatchObject({
      PATH: '/bin',
      AWS_REGION: 'eu-west-1',
      HTTPS_PROXY: 'http://127.0.0.1:23456',
      https_proxy: 'http://127.0.0.1:23456',
      AWS_ACCESS_KEY_ID: 'GATEABC',
    });
    expect(env['SSL_CERT_FILE']).toBeUndefined();
  });

  it.each([[['ssm', 'start-session', '--target', 'i-1']], [['ecs', 'execute-command']]])(
    'ok: the plug-in of Session Manager finds its way: %j',
    (args) => {
      expect(awsEnvironment(session, { args, env: base, platform: 'linux' })['SSL_CERT_FILE']).toBe(
        session.bundle,
      );
      expect(awsEnvironment(session, { args, env: base, platform: 'darwin' })['NO_PROXY']).toContain(
        'ssmmessages.eu-west-1.amazonaws.com',
      );
      const named = [...args, '--region', 'us-west-1'];
      expect(awsEnvironment(session, { args: named, env: base, platform: 'darwin' })['NO_PROXY']).toContain(
        'ssmmessages.us-west-1.amazonaws.com',
      );
    },
  );
});
