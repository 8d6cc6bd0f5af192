// Deleting several resources in one call: all of them, or none.
import { apply } from '#core/api/resources.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

export interface Removal {
  readonly kind: string;
  readonly name: string;
}

/** NOT_FOUND or IN_USE when one of them cannot be removed; then none is. */
export async function removeAll(
  context: Gatectl,
  remove: readonly Removal[],
  say: (removal: Removal) => string = ({ kind, name }) => `${kind} "${name}" has been deleted`,
): Promise<void> {
  const api = await context.api();
  const { results } = await api.call(apply, { mode: 'replace', dry_run: false, documents: [], remove });
  const removed = results.map(({ kind, name }) => ({ kind, name, action: 'deleted' }));
  await context.out.show(removed, () => {
    for (const removal of removed) context.out.line(oneLine(say(removal)));
  });
}
