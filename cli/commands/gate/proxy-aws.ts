// `gate proxy aws`: a local proxy for whatever speaks to AWS: SDKs, terraform, the aws program.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { Output } from '../../output.ts';
import { openAwsSession } from '../../aws/session.ts';
import {
  awsVariables,
  messagesHost,
  proxyUrl,
  setLine,
  SHELL_FORMATS,
  type ShellFormat,
} from '../../aws/variables.ts';
import { untilStopped } from '../../target/until-stopped.ts';
import type { Gate } from './context.ts';

const FORMATS = [...SHELL_FORMATS, 'json', 'yaml'] as const;

export const proxyAws = command({
  about:
    'Runs until it is interrupted. The keys that it prints are good at this proxy alone, and only while it runs.\nSign in to an AWS application first: gate apps login.',
  flags: {
    app: flag.text({ says: 'The application. (the only AWS application signed in to)', value: 'NAME' }),
    port: flag.integer(0, {
      says: 'The port on 127.0.0.1; 0: any that is free.',
      short: 'p',
      min: 0,
      max: 65_535,
    }),
    'endpoint-url': flag.toggle({
      says: 'For programs that take an endpoint and no proxy: AWS_ENDPOINT_URL instead of HTTPS_PROXY.',
    }),
    format: flag.oneOf(FORMATS, { says: 'The shell to print for. (unix)', short: 'f' }),
  },
  examples: [
    'gate proxy aws -p 23456',
    'gate proxy aws --app awsconsole-test --format powershell',
    'gate proxy aws --endpoint-url',
  ],
  async run(gate: Gate, { flags }) {
    const session = await openAwsSession(gate, { app: flags.app, port: flags.port });
    try {
      const mode = flags['endpoint-url'] ? 'endpoint' : 'proxy';
      const variables = awsVariables(session, mode);
      const format = flags.format ?? 'unix';
      const isData = format === 'json' || format === 'yaml';
      const out = new Output(gate.io, isData ? format : undefined);
      await out.show({ app: session.app, address: proxyUrl(session), variables }, () => {
        if (!isData) print(out, format, { url: proxyUrl(session), mode, variables });
      });
      await untilStopped();
    } finally {
      session.close();
    }
  },
});

interface Printed {
  readonly url: string;
  readonly mode: 'proxy' | 'endpoint';
  readonly variables: Readonly<Record<string, string>>;
}

/** The documented text. */
function print(out: Output, format: ShellFormat, { url, mode, variables }: Printed): void {
  out.line(`Started AWS proxy on ${url}.`);
  out.line();
  const what = mode === 'proxy' ? 'HTTPS proxy setting' : 'endpoint URL';
  out.line(`Use the following credentials and ${what} to connect to the proxy:`);
  for (const [name, value] of Object.entries(variables)) out.line(`  ${setLine(format, name, value)}`);
  if (mode === 'endpoint') return;
  out.line();
  out.line(
    'Only endpoints of AWS are reached through it: put other hosts into NO_PROXY. Where the plug-in of Session',
  );
  out.line(
    `Manager does not take AWS_CA_BUNDLE, add ${messagesHost('REGION')} as well, or use gate aws ssm start-session.`,
  );
}
