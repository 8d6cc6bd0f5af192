// `gatectl create`: resources of a file or of standard input, all or none.
import { apply as applyCall } from '#core/api/resources.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { KINDS } from '#kinds/all.ts';
import { parseDocuments } from '#kinds/documents.ts';
import * as flag from '../../arguments.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import { readInput } from '../../input.ts';
import type { Gatectl } from './context.ts';

/** As many as one call takes: more could not be all or nothing. */
export const MAX_DOCUMENTS = 1000;

export const create = command({
  about: `Reads YAML or JSON; several documents are separated by lines of three dashes. Either all are created or none. A file
made by \`gatectl get\` carries the revision it was read at: if the resource has changed since, nothing is replaced.`,
  flags: {
    force: flag.toggle({ says: 'Replace resources that exist.', short: 'f' }),
    'dry-run': flag.toggle({ says: 'Check everything on the server and change nothing.' }),
  },
  positionals: [{ name: 'FILE', says: 'a file; standard input without it, or with -', isOptional: true }],
  examples: ['gatectl create role.yaml', 'gatectl create -f joe.yaml', 'gatectl create <<EOF'],
  async run(context: Gatectl, { flags, words: [file] }) {
    const { text, source } = await readInput(context.io, file);
    const documents = parseDocuments(text, { kinds: KINDS, source });
    if (documents.length === 0) throw new GatehouseError('BAD_REQUEST', `${source} holds no resource`);
    if (documents.length > MAX_DOCUMENTS) {
      throw new GatehouseError(
        'TOO_LARGE',
        `${source} holds ${documents.length} resources, and one call takes ${MAX_DOCUMENTS}`,
        {
          details: { remedy: 'Split the file; each part is applied as a whole.' },
        },
      );
    }
    const api = await context.api();
    const { results } = await api.call(applyCall, {
      mode: flags.force ? 'replace' : 'create',
      dry_run: flags['dry-run'],
      documents,
      remove: [],
    });
    const done = results.map(({ kind, name, action }) => ({ kind, name, action }));
    await context.out.show(done, () => {
      for (const { kind, name, action } of done) {
        const what = flags['dry-run']
          ? `would be ${action}`
          : action === 'unchanged'
            ? 'is unchanged'
            : `has been ${action}`;
        context.out.line(oneLine(`${kind} "${name}" ${what}`));
      }
    });
  },
});
