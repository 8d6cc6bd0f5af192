// `gate apps login`: a certificate for one application, kept in ~/.gate; for AWS, with the role to take.
import { command } from '../../arguments.ts';
import { oneLine, relativeTime, shellWord } from '../../format/text.ts';
import { appUrl, awsRoleFlag, loginToApp, type AppLogin } from '../../target/app-login.ts';
import { curlCommand } from '../../target/curl-command.ts';
import { ttlFlag } from '../../target/database-login.ts';
import { filterFlags } from '../../target/filter.ts';
import type { Gate } from './context.ts';

export const appsLogin = command({
  about: 'The certificate is good for this application alone, and no longer than your login.',
  flags: { ...awsRoleFlag, ...ttlFlag, ...filterFlags },
  positionals: [{ name: 'APP', says: 'the application, as in `gate apps ls`', isOptional: true }],
  examples: [
    'gate apps login grafana',
    'gate apps login --aws-role ExampleReadOnlyAccess awsconsole',
    'gate apps login --aws-role arn:aws:iam::123456789012:role/ExampleReadOnlyAccess awsconsole',
  ],
  async run(gate: Gate, { flags, words: [name] }) {
    const { out, io } = gate;
    const found = await loginToApp(gate, {
      name,
      filter: flags,
      awsRole: flags['aws-role'],
      ttlMs: flags.ttl,
    });
    const { login } = found;
    const role = login.identity.route_to_app?.aws_role_arn;
    const about = {
      app: login.name,
      ...(role === undefined ? { uri: appUrl(found) } : { aws_role_arn: role }),
      expires: new Date(login.expires).toISOString(),
      cert: login.paths.certificate,
      key: login.paths.key,
    };
    await out.show(about, () => {
      if (role === undefined) showHttp(gate, found);
      else showAws(gate, login.name, role);
      out.line(`The certificate expires ${relativeTime(login.expires, io.clock.now())}.`);
    });
  },
});

function showHttp({ out }: Gate, found: AppLogin): void {
  const { name } = found.login;
  out.line(`Logged into app ${oneLine(name)}. Example curl command:`);
  out.line();
  for (const line of curlCommand(found)) out.line(line);
  out.line();
  out.line(`Or start a local proxy: gate proxy app ${shellWord(name)}`);
}

/** The documented text. */
function showAws({ out }: Gate, name: string, role: string): void {
  out.line(`Logged into AWS app "${oneLine(name)}".`);
  out.line();
  out.line('Your IAM role:');
  out.line(`  ${oneLine(role)}`);
  out.line();
  out.line('Example AWS CLI command:');
  out.line('  gate aws s3 ls');
  out.line();
  out.line('Or start a local proxy:');
  out.line(`  gate proxy aws --app ${shellWord(name)}`);
  out.line();
}
