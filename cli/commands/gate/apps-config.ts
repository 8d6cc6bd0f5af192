// `gate apps config`: how to reach an application, for other programs.
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { oneLine } from '../../format/text.ts';
import { Output } from '../../output.ts';
import { requireProxyLogin } from '../../profile/choose.ts';
import { listTargetLogins, readTargetLogin, type TargetLogin } from '../../profile/target-files.ts';
import { appUrl, type AppLogin } from '../../target/app-login.ts';
import { curlCommand } from '../../target/curl-command.ts';
import type { ProxyProfile } from '../../target/road.ts';
import type { Gate } from './context.ts';

const FORMATS = ['text', 'uri', 'ca', 'cert', 'key', 'curl', 'json', 'yaml'] as const;

export const appsConfig = command({
  about: 'uri, ca, cert and key print that one thing: an address, or the path of a file.',
  flags: { format: flag.oneOf(FORMATS, { says: 'What to print, and how.', short: 'f' }) },
  positionals: [{ name: 'APP', says: 'the application', isOptional: true }],
  examples: [
    'gate apps config grafana',
    'curl --cert "$(gate apps config -f cert grafana)" --key "$(gate apps config -f key grafana)" "$(gate apps config -f uri grafana)"',
  ],
  async run(gate: Gate, { flags: { format = 'text' }, words: [name] }) {
    const profile = await requireProxyLogin(gate.io, gate.wanted);
    const found: AppLogin = { profile, login: await requireAppLogin(gate, profile, name) };
    const { certificate: cert, key, authorities: ca } = found.login.paths;
    const role = found.login.identity.route_to_app?.aws_role_arn;
    const about = {
      name: found.login.name,
      uri: appUrl(found),
      ca,
      cert,
      key,
      ...(role === undefined ? {} : { aws_role_arn: role }),
    };
    const out = new Output(gate.io, format === 'json' || format === 'yaml' ? format : undefined);
    await out.show(about, () => {
      if (format === 'curl') for (const line of curlCommand(found)) out.line(line);
      else if (format === 'uri' || format === 'ca' || format === 'cert' || format === 'key')
        out.line(about[format]);
      else
        for (const [title, value] of Object.entries(about))
          out.line(`${`${title}:`.padEnd(14)} ${oneLine(value)}`);
    });
  },
});

async function requireAppLogin(
  { io }: Gate,
  profile: ProxyProfile,
  name: string | undefined,
): Promise<TargetLogin> {
  const logins =
    name === undefined
      ? await listTargetLogins(io, profile, 'app')
      : [await readTargetLogin(io, profile, 'app', name)].filter((login) => login !== undefined);
  const [login] = logins;
  if (login !== undefined && logins.length === 1) return login;
  if (login !== undefined) {
    throw flag.usage(`APP is missing, and you are signed in to ${logins.map((one) => one.name).join(', ')}`);
  }
  throw new GatehouseError('UNAUTHENTICATED', `you are not signed in to ${name ?? 'an application'}`, {
    details: { remedy: `Run \`gate apps login ${name ?? 'APP'}\`.` },
  });
}
