// `gate apps ls`: the applications that the user may see.
import { isAwsApp, type AppSpec } from '#kinds/app/kind.ts';
import { formatLabels } from '#kinds/command-labels.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { splitAddress } from '#client/outbound/tcp-dial.ts';
import { openProfileApi } from '../../profile/api.ts';
import { requireLogin } from '../../profile/choose.ts';
import type { Profile } from '../../profile/profile.ts';
import { listTargetLogins } from '../../profile/target-files.ts';
import { filtered, filterFlags } from '../../target/filter.ts';
import { listApps, type Listed } from '../../target/list.ts';
import type { Gate } from './context.ts';
import { readLabelWords } from './label-words.ts';

export const appsLs = command({
  about: 'Marked with ">": those that you are signed in to.',
  flags: { ...filterFlags, verbose: flag.toggle({ says: 'Addresses, and who serves them.', short: 'v' }) },
  positionals: [
    { name: 'LABELS', says: 'only applications with these labels: key=value,key2=value2', isOptional: true },
  ],
  examples: ['gate apps ls', 'gate apps ls env=prod', 'gate apps ls -f json | jq -r ".[].metadata.name"'],
  async run({ io, out, wanted }: Gate, { flags, words: [labels] }) {
    const profile = await requireLogin(io, wanted);
    const api = openProfileApi(io, profile);
    try {
      const all = filtered(await listApps(api), { ...flags, labels: readLabelWords(labels, flags.labels) });
      const active = new Set((await listTargetLogins(io, profile, 'app')).map(({ name }) => name));
      await out.show(
        all.map(({ document }) => document),
        () => {
          const titles = flags.verbose ? LONG_TITLES : TITLES;
          out.table(
            titles,
            all.map((one) => row(one, { profile, active, isLong: flags.verbose })),
          );
        },
      );
      for (const { name, hosts } of all.filter(({ isDisputed }) => isDisputed)) {
        out.note(`WARNING: ${hosts.join(' and ')} say different things of the application ${name}`);
      }
    } finally {
      api.close();
    }
  },
});

const TITLES = ['Application', 'Description', 'Type', 'Public Address', 'Labels'];
const LONG_TITLES = ['Application', 'Description', 'Type', 'Public Address', 'URI', 'Served By', 'Labels'];

interface Look {
  readonly profile: Profile;
  readonly active: ReadonlySet<string>;
  readonly isLong: boolean;
}

function row({ name, description, labels, document, hosts }: Listed<AppSpec>, look: Look): string[] {
  const { public_addr: named = '', uri } = document.spec;
  const { proxy } = look.profile;
  const own = proxy === undefined ? '' : `${name}.${splitAddress(proxy.web).host}`;
  return [
    look.active.has(name) ? `> ${name}` : name,
    description,
    isAwsApp(document.spec) ? 'AWS' : 'HTTP',
    named === '' ? own : named,
    ...(look.isLong ? [uri, hosts.join(', ')] : []),
    formatLabels(labels),
  ];
}
