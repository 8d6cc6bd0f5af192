// Which of several databases or applications a command line means: by name, labels, words or a query.
import { createPredicateCompiler } from '#core/access/predicates.ts';
import { GatehouseError } from '#core/errors/error.ts';
import { nearest } from '#core/schema/nearest.ts';
import * as flag from '../arguments.ts';
import type { FlagValues } from '../arguments.ts';
import type { Listed } from './list.ts';

export const filterFlags = {
  labels: flag.list({ says: 'Only with all of these labels.', value: 'K=V,…' }),
  search: flag.list({ says: 'Only those whose name, description or labels hold all of these words.' }),
  query: flag.text({
    says: 'Only those for which the expression holds, such as labels["env"] == "prod".',
    value: 'EXPRESSION',
  }),
};

export type Filter = Partial<FlagValues<typeof filterFlags>>;

const MOST_NAMED = 20;

/** USAGE for labels and queries that are none. */
export function filtered<T extends Pick<Listed<unknown>, 'name' | 'description' | 'labels'>>(
  all: readonly T[],
  { labels = [], search = [], query }: Filter,
): readonly T[] {
  const wanted = labels.map(readLabel);
  const holds = query === undefined ? () => true : compile(query);
  return all.filter(
    (one) =>
      wanted.every(([key, value]) => Object.hasOwn(one.labels, key) && one.labels[key] === value) &&
      hasWords(one, search) &&
      holds({ name: one.name, labels: one.labels, user: { name: '', roles: [], traits: {} } }),
  );
}

/** `what` is "database" or "application". NOT_FOUND and BAD_REQUEST name what there is. */
export function chosen<T extends Pick<Listed<unknown>, 'name' | 'description' | 'labels'>>(
  all: readonly T[],
  name: string | undefined,
  filter: Filter,
  what: string,
): T {
  const found = filtered(all, filter).filter((one) => name === undefined || one.name === name);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (only !== undefined) {
    throw new GatehouseError('BAD_REQUEST', `${found.length} ${what}s fit: ${namesOf(found)}`, {
      details: { remedy: 'Name the one that is meant.' },
    });
  }
  const names = all.map((one) => one.name);
  const hint = name === undefined ? undefined : nearest(name, names);
  throw new GatehouseError(
    'NOT_FOUND',
    name === undefined ? `no ${what} fits` : `there is no ${what} ${name} that you may use`,
    {
      details: {
        remedy:
          hint !== undefined
            ? `Did you mean "${hint}"?`
            : names.length === 0
              ? `No ${what} is shown to you; ask an admin for a role that has its labels.`
              : `There is: ${namesOf(all)}.`,
      },
    },
  );
}

const namesOf = (all: readonly { readonly name: string }[]): string =>
  all.length > MOST_NAMED
    ? `${all
        .slice(0, MOST_NAMED)
        .map(({ name }) => name)
        .join(', ')} and ${all.length - MOST_NAMED} more`
    : all.map(({ name }) => name).join(', ');

function readLabel(text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw flag.usage(`--labels: must be key=value,key2=value2, not "${text.slice(0, 64)}"`);
}

function compile(query: string): ReturnType<ReturnType<typeof createPredicateCompiler>['labels']> {
  try {
    return createPredicateCompiler().labels(query);
  } catch (error) {
    if (error instanceof GatehouseError) throw flag.usage(`--query: ${error.message}`);
    throw error;
  }
}

function hasWords(
  { name, description, labels }: Pick<Listed<unknown>, 'name' | 'description' | 'labels'>,
  words: readonly string[],
): boolean {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  const text = [name, description, ...pairs].join(' ').toLowerCase();
  return words.every((word) => text.includes(word.toLowerCase()));
}
