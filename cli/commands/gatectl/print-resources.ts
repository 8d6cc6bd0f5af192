// Resources on the screen: a table of the columns of their kind, or text that `create` reads back.
import type { Kind } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Gatectl } from './context.ts';

/** A table unless JSON or YAML was asked for. */
export async function printList<S>(
  { out }: Gatectl,
  kind: Kind<S>,
  resources: readonly Resource<S>[],
): Promise<void> {
  if (out.isData) {
    const { formatResources } = await import('../../format/data.ts');
    out.formatted(formatResources(resources, out.format === 'json' ? 'json' : 'yaml'));
    return;
  }
  out.table(
    kind.columns.map(({ title }) => title),
    resources.map((resource) => kind.columns.map((column) => column.value(resource))),
  );
}
