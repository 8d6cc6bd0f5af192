// What is printed with the link of an invite: the documented lines, and the way without a browser.
import type { createInvite } from '#core/api/login.ts';
import type { Infer } from '#core/schema/schema.ts';
import { oneLine, relativeTime, shellWord } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { publicAddresses } from './join-text.ts';

type Invite = Infer<typeof createInvite.reply>;

export async function printInvite(
  context: Gatectl,
  { user, title }: { readonly user: string; readonly title: string },
  invite: Invite,
): Promise<void> {
  const { out } = context;
  const { token, url, expires } = invite;
  const [address = ''] = await publicAddresses(context);
  const pins = await caPins(context);
  const signup = ['gate', 'signup', shellWord(token), `--auth-server=${shellWord(address)}`, ...pins].join(
    ' ',
  );
  await out.show({ user, token, url, expires, signup_command: signup }, () => {
    out.line(`${title} Share this URL with the user:`);
    out.line(oneLine(url));
    out.line();
    out.line(`NOTE: make sure ${oneLine(hostOf(url))} is accessible.`);
    out.line(`The link works once and expires ${relativeTime(Date.parse(expires), context.now())}.`);
    out.line();
    out.line('Or the user signs up from a terminal:');
    out.line(`  ${signup}`);
  });
}

async function caPins(context: Gatectl): Promise<string[]> {
  const { statusPins } = await import('./join-text.ts');
  return (await statusPins(context)).map((pin) => `--ca-pin=${shellWord(pin)}`);
}

function hostOf(url: string): string {
  return /^https:\/\/([^/]*)\//.exec(url)?.[1] ?? url;
}
