// `gatectl get`: resources as text that `gatectl create` and `gatehouse start --bootstrap` read back.
import type { Resource } from '#core/resource.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';
import { hasSecrets } from '#core/schema/redact.ts';
import { KINDS } from '#kinds/all.ts';
import { parseReferences, type Reference } from '#kinds/references.ts';
import * as flag from '../../arguments.ts';
import { command, usage } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { printList } from './print-resources.ts';

export const get = command({
  about: `Prints YAML unless --format says otherwise; --format=text prints a table. "all" is everything that people work with;
--with-secrets, for the local admin, adds passwords, keys of authorities and other secrets.`,
  flags: {
    'with-secrets': flag.toggle({ says: 'Show secrets as well; for the local admin only.' }),
  },
  positionals: [
    {
      name: 'RESOURCE',
      says: 'a kind, kind/name, several with commas, or all',
      isMany: true,
      words: kindWords(),
    },
  ],
  examples: [
    'gatectl get users',
    'gatectl get user/joe > joe.yaml',
    'gatectl get roles,users --format=text',
    'gatectl get all > state.yaml',
  ],
  async run(context: Gatectl, { flags, words }) {
    const withSecrets = flags['with-secrets'];
    const references = readReferences(words, withSecrets);
    const found = [];
    for (const reference of references) {
      found.push({
        reference,
        resources: await read(context, reference, withSecrets, references.length === 1),
      });
    }
    const { out } = context;
    if (out.format === 'text') {
      for (const [index, { reference, resources }] of found.entries()) {
        if (index > 0) out.line();
        if (found.length > 1) out.painted(reference.kind.plural, 'bold');
        await printList(context, reference.kind, resources);
      }
    } else {
      const { formatResources } = await import('../../format/data.ts');
      const all = found.flatMap(({ resources }) => resources);
      out.formatted(formatResources(all, out.format === 'json' ? 'json' : 'yaml'));
    }
    if (!withSecrets && words.some((word) => word.toLowerCase() === 'all')) noteSecrets(context);
  },
});

function kindWords(): string[] {
  return ['all', ...KINDS.filter(({ audience }) => audience !== 'internal').map(({ plural }) => plural)];
}

/** USAGE for what is no reference. */
export function readReferences(words: readonly string[], withInternal: boolean): Reference[] {
  try {
    return parseReferences(words.join(','), { kinds: KINDS, withInternal });
  } catch (error) {
    if (!isCode(error, 'BAD_REQUEST')) throw error;
    if (isKindAndName(words)) throw usage(`"${words.join(' ')}": did you mean "${words.join('/')}"?`);
    throw new GatehouseError('USAGE', error.message);
  }
}

/** As in `get users joe`, which other programs take. */
function isKindAndName(words: readonly string[]): boolean {
  try {
    return words.length === 2 && parseReferences(words.join('/'), { kinds: KINDS }).length === 1;
  } catch {
    return false;
  }
}

async function read(
  context: Gatectl,
  { kind, name }: Reference,
  withSecrets: boolean,
  isAlone: boolean,
): Promise<readonly Resource[]> {
  const api = await context.api();
  const asked = { withSecrets: withSecrets && (kind.audience === 'internal' || hasSecrets(kind.spec)) };
  if (name === undefined) return api.list(kind, asked);
  // A setting that nobody set yet is missing from `all`, and no failure there.
  if (kind.singleton === undefined || isAlone) return [await api.get(kind, name, asked)];
  return api.list(kind, asked);
}

function noteSecrets({ out }: Gatectl): void {
  out.note(
    'NOTE: join tokens are in this output: keep it as secret as they are. Passwords, second factors and private keys are not; a cluster started from it makes new authorities. --with-secrets adds them.',
  );
}
