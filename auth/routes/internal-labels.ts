// Labels that Gatehouse itself puts on resources, such as the mark of a preset role. A writer may keep them as they
// are, so that what was read can be written back, and drop them, but not make or change them: they would lie. The mark
// of an owner is apart (owner-marks.ts): it stays when a writer says nothing about it.
import { GatehouseError } from '#core/errors/error.ts';
import type { Resource } from '#core/resource.ts';
import { isOwnerMark, type Writer } from './owner-marks.ts';

export const INTERNAL_LABEL_PREFIX = 'gatehouse.internal/';

/**
 * BAD_REQUEST when `resource` carries an internal label that the stored one does not. Dropping one is allowed: it
 * only makes the resource the writer's own. The local admin may write any, as restoring a cluster needs; operators
 * write marks of owners.
 */
export function requireOwnLabels(writer: Writer, resource: Resource, before: Resource | undefined): void {
  if (writer === 'local-admin') return;
  for (const [label, value] of Object.entries(resource.metadata.labels ?? {})) {
    if (!label.startsWith(INTERNAL_LABEL_PREFIX) || before?.metadata.labels?.[label] === value) continue;
    if (writer === 'operator' && isOwnerMark(label)) continue;
    throw new GatehouseError(
      'BAD_REQUEST',
      `metadata.labels["${label.slice(0, 64)}"]: labels that begin with ${INTERNAL_LABEL_PREFIX} are set by Gatehouse; remove it`,
      { details: { field: 'metadata.labels' } },
    );
  }
}
