// `gate aws`: the aws program, with a local proxy of its own that leads to AWS through the cluster.
import { platform } from 'node:os';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { openAwsSession } from '../../aws/session.ts';
import { awsEnvironment, proxyUrl } from '../../aws/variables.ts';
import { runProgramInFront } from '../../target/run-program.ts';
import type { Gate } from './context.ts';

const CREDENTIAL_PROCESS = 'credential-process';

export const aws = command({
  about: [
    'Sign in to an AWS application first: gate apps login. The exit code is that of aws.',
    'Flags of aws may follow its first word; before it they stand after --.',
    '',
    '`gate aws credential-process` gives programs temporary keys themselves, where the application allows it',
    '(aws.direct_credentials); for ~/.aws/config: credential_process = gate aws --app=NAME credential-process',
  ].join('\n'),
  flags: {
    app: flag.text({ says: 'The application. (the only AWS application signed in to)', value: 'NAME' }),
    'endpoint-url': flag.toggle({ says: 'Give aws the proxy as its endpoint, not as its HTTPS proxy.' }),
  },
  positionals: [
    { name: 'COMMAND', says: 'for aws, such as s3' },
    { name: 'ARGUMENT', says: 'for aws', isOptional: true, isMany: true },
  ],
  literalAfter: 1,
  examples: [
    'gate aws s3 ls',
    'gate aws --app awsconsole-test ec2 describe-instances --region us-west-2',
    'gate aws ssm start-session --target i-0123456789abcdef0',
    'gate aws credential-process',
  ],
  async run(gate: Gate, { flags, words }) {
    if (words[0] === CREDENTIAL_PROCESS) {
      const { printCredentials } = await import('../../aws/credential-process.ts');
      await printCredentials(gate, flags.app);
      return;
    }
    const session = await openAwsSession(gate, { app: flags.app, port: 0 });
    try {
      const env = awsEnvironment(session, { args: words, env: gate.io.env, platform: platform() });
      return await runProgramInFront({
        program: 'aws',
        args: flags['endpoint-url'] ? ['--endpoint-url', proxyUrl(session), ...words] : words,
        env,
        remedy:
          'Install the AWS CLI: https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html',
      });
    } finally {
      session.close();
    }
  },
});
