// `POST /v1/apply`: several documents at once, all or none, with before and after for a diff.
import { apply } from '#core/api/resources.ts';
import { withoutSecrets } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import { kindOf } from '#kinds/all.ts';
import { applyChanges } from './changes.ts';
import { handler } from './handler.ts';
import type { Route, ServerContext } from './server-context.ts';

/** The store takes 8 MiB in one write. */
const APPLY_BODY_LIMIT = 10 * 1024 * 1024;

export const applyRoute: Route = handler({
  endpoint: apply,
  access: { to: 'each-resource' },
  bodyLimit: APPLY_BODY_LIMIT,
  async handle(context: ServerContext, caller, request) {
    const results = await applyChanges(context, caller, {
      mode: request.mode,
      documents: request.documents,
      remove: request.remove,
      dryRun: request.dry_run,
    });
    return {
      results: results.map(({ kind, name, action, before, after }) => ({
        kind,
        name,
        action,
        ...shown('before', kind, before),
        ...(action === 'deleted' ? {} : shown('after', kind, after)),
      })),
    };
  },
});

function shown(field: 'before' | 'after', kind: string, resource: Resource | undefined): object {
  return resource === undefined ? {} : { [field]: withoutSecrets(kindOf(kind), resource) };
}
