// `gate signup`: what the sign-up link does, without a browser.
import { acceptInvite, openInvite } from '#core/api/login.ts';
import { command } from '../../arguments.ts';
import { oneLine, relativeTime, shellWord } from '../../format/text.ts';
import type { Gate } from './context.ts';
import { passwordFlags, readOtp, readPassword } from './password.ts';
import { openServer, serverFlags } from './server.ts';

export const signup = command({
  about:
    'The link works once. Where the cluster asks for a second factor, its key is shown: add it to an authenticator app, then\ngive the code that the app shows.',
  flags: { ...serverFlags, ...passwordFlags },
  positionals: [{ name: 'LINK', says: 'the link, or only the token at its end' }],
  examples: [
    'gate signup https://proxy.example.com:3080/web/newuser/0123456789abcdef',
    'gate signup 0123456789abcdef --auth-server=10.0.10.5:3025 --ca-pin=sha256:7e12…',
  ],
  async run(gate: Gate, { flags, words: [link = ''] }) {
    const { io, out } = gate;
    const token = tokenOf(link);
    const { api, address, proxy } = await openServer(atProxyOf(link, gate), flags);
    try {
      const invite = await api.call(openInvite, { token });
      out.note(
        `Welcome, ${invite.user}. This link expires ${relativeTime(Date.parse(invite.expires), io.clock.now())}.`,
      );
      const question = `New password of ${invite.user}: `;
      const password = await readPassword(io, flags['password-file'], { isNew: true, question });
      if (invite.otp_uri !== undefined && flags.otp === undefined) showKey(gate, invite.otp_uri);
      const otp = await readOtp(io, flags.otp, invite.second_factor);
      const { user } = await api.call(acceptInvite, { token, password: password.reveal(), ...otp });
      out.line(oneLine(`${user} is ready to sign in:`));
      const at = proxy === undefined ? 'auth-server' : 'proxy';
      out.line(`  gate login --${at}=${shellWord(address)} --user=${shellWord(user)}`);
    } finally {
      api.close();
    }
  },
});

/** A link names the proxy it leads to; what flags or the environment say goes before it. */
function atProxyOf(link: string, gate: Gate): Gate {
  const { proxy, cluster } = gate.wanted;
  const host = /^https:\/\/([^/?#@]+)\//.exec(link)?.[1];
  if (host === undefined || proxy !== undefined || cluster !== undefined) return gate;
  return { ...gate, wanted: { ...gate.wanted, proxy: host } };
}

/** The last part of a link, or the word as it is. */
export function tokenOf(link: string): string {
  return /\/newuser\/([^/?#]+)\/?$/.exec(link)?.[1] ?? link;
}

/** The key goes to the terminal and nowhere else. */
function showKey({ out }: Gate, uri: string): void {
  const secret = /[?&]secret=([A-Z2-7]+)/.exec(uri)?.[1];
  out.note('Add this key to your authenticator app:');
  if (secret !== undefined) out.note(`  ${secret.match(/.{1,4}/g)?.join(' ') ?? secret}`);
  out.note(`  ${uri}`);
}
