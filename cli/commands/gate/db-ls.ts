// `gate db ls`: the databases that the user may see.
import type { DbSpec } from '#kinds/db/kind.ts';
import { formatLabels } from '#kinds/command-labels.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { shellWord } from '../../format/text.ts';
import { openProfileApi } from '../../profile/api.ts';
import { requireLogin } from '../../profile/choose.ts';
import { listTargetLogins } from '../../profile/target-files.ts';
import { filtered, filterFlags } from '../../target/filter.ts';
import { listDatabases, type Listed } from '../../target/list.ts';
import type { Gate } from './context.ts';
import { readLabelWords } from './label-words.ts';

export const dbLs = command({
  about: 'Marked with ">": those that you are signed in to.',
  flags: { ...filterFlags, verbose: flag.toggle({ says: 'Addresses, and who serves them.', short: 'v' }) },
  positionals: [
    { name: 'LABELS', says: 'only databases with these labels: key=value,key2=value2', isOptional: true },
  ],
  examples: [
    'gate db ls',
    'gate db ls env=prod',
    'gate db ls --search=orders',
    `gate db ls --query='labels["env"] == "prod" && name != "billing"'`,
    'gate db ls -f json | jq -r ".[].metadata.name"',
  ],
  async run({ io, out, wanted }: Gate, { flags, words: [labels] }) {
    const profile = await requireLogin(io, wanted);
    const api = openProfileApi(io, profile);
    try {
      const all = filtered(await listDatabases(api), {
        ...flags,
        labels: readLabelWords(labels, flags.labels),
      });
      const active = new Set((await listTargetLogins(io, profile, 'db')).map(({ name }) => name));
      await out.show(
        all.map(({ document }) => document),
        () => {
          if (flags.verbose)
            out.table(
              LONG_TITLES,
              all.map((one) => longRow(one, active)),
            );
          else
            out.table(
              TITLES,
              all.map((one) => row(one, active)),
            );
        },
      );
      for (const { name, hosts } of all.filter(({ isDisputed }) => isDisputed)) {
        out.note(`WARNING: ${hosts.join(' and ')} say different things of the database ${name}`);
      }
    } finally {
      api.close();
    }
  },
});

const TITLES = ['Name', 'Description', 'Labels', 'Connect'];
const LONG_TITLES = ['Name', 'Description', 'Protocol', 'URI', 'Served By', 'Labels'];

const marked = (name: string, active: ReadonlySet<string>): string => (active.has(name) ? `> ${name}` : name);

function row({ name, description, labels }: Listed<DbSpec>, active: ReadonlySet<string>): string[] {
  const connect = active.has(name) ? `gate db connect ${shellWord(name)}` : '';
  return [marked(name, active), description, formatLabels(labels), connect];
}

function longRow(
  { name, description, labels, document, hosts }: Listed<DbSpec>,
  active: ReadonlySet<string>,
): string[] {
  const { protocol, uri } = document.spec;
  return [marked(name, active), description, protocol, uri, hosts.join(', '), formatLabels(labels)];
}
