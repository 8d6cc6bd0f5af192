// `gatectl edit`: a resource in the user's editor. A change by somebody else in the meantime is not overwritten, and
// what was typed is never lost: when it cannot be applied, its file stays.
import { readFile } from 'node:fs/promises';
import { apply } from '#core/api/resources.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { KINDS } from '#kinds/all.ts';
import { parseDocuments } from '#kinds/documents.ts';
import { command } from '../../arguments.ts';
import { openDraft } from '../../editor.ts';
import { formatResources } from '../../format/data.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { readReferences } from './get.ts';

export const edit = command({
  about: 'Opens $VISUAL, $EDITOR or vi. Nothing changes unless the text is changed and valid.',
  flags: {},
  positionals: [{ name: 'KIND/NAME', says: 'the resource' }],
  examples: ['gatectl edit role/dev', 'EDITOR="code --wait" gatectl edit user/joe', 'gatectl edit cap'],
  async run(context: Gatectl, { words: [word = ''] }) {
    const [reference] = readReferences([word], false);
    if (reference?.name === undefined || word.includes(',')) {
      throw new GatehouseError('USAGE', `"${word.slice(0, 64)}" names no single resource; write kind/name`);
    }
    const { kind, name } = reference;
    const api = await context.api();
    const before = await api.get(kind, name);
    const text = formatResources([before], 'yaml');
    const draft = await openDraft(context.io, `${kind.name}.yaml`, text);
    const edited = await draft.edit().catch(async (error: unknown) => {
      const left = await readFile(draft.path, 'utf8').catch(() => text);
      if (left !== text) throw keepingDraft(error, draft.path);
      await draft.discard();
      throw error;
    });
    if (edited === text) {
      await draft.discard();
      context.out.note('Nothing was changed.');
      return;
    }
    try {
      const document = readEdited(edited, draft.path, before);
      await api.call(apply, { mode: 'replace', dry_run: false, documents: [document], remove: [] });
    } catch (error) {
      throw keepingDraft(error, draft.path);
    }
    await draft.discard();
    context.out.line(oneLine(`${kind.name} "${name}" has been updated`));
  },
});

/** The one resource of the text, of the same kind and name, guarded by the revision that was read. */
function readEdited(text: string, source: string, before: Resource): Resource {
  const [document, ...others] = parseDocuments(text, { kinds: KINDS, source });
  if (document === undefined || others.length > 0) {
    throw new GatehouseError('BAD_REQUEST', `${source} must hold one resource`);
  }
  if (document.kind !== before.kind || document.metadata.name !== before.metadata.name) {
    throw new GatehouseError(
      'BAD_REQUEST',
      'kind and metadata.name cannot be edited; use `gatectl create` for a copy',
    );
  }
  const { revision } = before.metadata;
  return { ...document, metadata: { ...document.metadata, ...(revision === undefined ? {} : { revision }) } };
}

function keepingDraft(error: unknown, path: string): unknown {
  if (!isCode(error)) return error;
  const next = error.code === 'CONDITION_FAILED' ? 'Somebody else changed it meanwhile: edit it again.' : '';
  const remedy = `${next} Your text is kept in ${path}`.trim();
  return new GatehouseError(error.code, error.message, {
    cause: error,
    details: { ...error.details, remedy },
  });
}
