// `gatectl apply`: the cluster as files say, in one step, with what changes shown field by field.
import { apply as applyCall } from '#core/api/resources.ts';
import type { Infer } from '#core/schema/schema.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import { diffLines } from '../../format/diff.ts';
import { oneLine, type Colour } from '../../format/text.ts';
import { labelled, readSources, requireSetName } from './apply-files.ts';
import { findPrunable } from './apply-prune.ts';
import type { Gatectl } from './context.ts';

export const apply = command({
  about: `Creates what is missing, changes what differs, and leaves the rest alone: all of it or nothing. With --set, resources
get the label gatehouse.dev/apply-set; --prune then removes those with this label that are no longer in the files.
Preset roles are never pruned.`,
  flags: {
    file: flag.list({
      says: 'A file, a folder with .yaml, .yml and .json files, or - for standard input.',
      short: 'f',
      value: 'PATH',
    }),
    recursive: flag.toggle({ says: 'Folders inside of folders as well.', short: 'R' }),
    set: flag.text({ says: 'The name of what these files are a part of.', value: 'NAME' }),
    prune: flag.toggle({ says: 'Remove what is in the set and not in the files.' }),
    'dry-run': flag.toggle({ says: 'Show what would change, and change nothing.' }),
  },
  examples: [
    'gatectl apply -f roles.yaml',
    'gatectl apply -f cluster/ --set=main --prune --dry-run',
    'gatectl get roles | sed s/dev/ops/ | gatectl apply -f -',
  ],
  async run(context: Gatectl, { flags }) {
    if (flags.file === undefined) throw usage('-f is missing: which files?');
    if (flags.prune && flags.set === undefined) {
      throw usage('--prune needs --set=NAME: only what carries the label of the set is removed');
    }
    if (flags.set !== undefined) requireSetName(flags.set);
    const read = await readSources(context.io, flags.file, flags.recursive);
    const documents = flags.set === undefined ? read : labelled(read, flags.set);
    const remove =
      flags.prune && flags.set !== undefined ? await findPrunable(context, flags.set, documents) : [];
    const api = await context.api();
    const dryRun = flags['dry-run'];
    const { results } = await api.call(applyCall, { mode: 'replace', dry_run: dryRun, documents, remove });
    await context.out.show(results, () => printResults(context, results, dryRun));
  },
});

type Results = Infer<typeof applyCall.reply>['results'];

const COLOURS: Readonly<Record<string, Colour>> = { '+': 'green', '-': 'red' };

function printResults({ out }: Gatectl, results: Results, dryRun: boolean): void {
  const changed = results.filter(({ action }) => action !== 'unchanged');
  for (const { kind, name, action, before, after } of changed) {
    out.painted(oneLine(`${kind}/${name} ${dryRun ? `would be ${action}` : action}`), 'bold');
    if (action === 'deleted') continue;
    for (const { sign, text } of diffLines(before, after)) {
      const colour = COLOURS[sign];
      if (colour === undefined) out.line(`  ${sign} ${text}`);
      else out.painted(`  ${sign} ${text}`, colour);
    }
  }
  const count = (action: string): number => results.filter((result) => result.action === action).length;
  const summary = ['created', 'updated', 'deleted', 'unchanged'].map(
    (action) => `${count(action)} ${action}`,
  );
  out.line(`${dryRun ? 'Dry run: ' : ''}${summary.join(', ')}.`);
}
