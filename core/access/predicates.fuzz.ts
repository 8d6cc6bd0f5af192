// Throws bytes at label expressions and `where` conditions. Fuzz target; see the runner in test/fuzz.
import { isCode } from '../errors/error.ts';
import { createPredicateCompiler } from './predicates.ts';

const USER = { name: 'joe', roles: ['dev'], traits: { teams: ['db', ''], email: ['joe@example.com'] } };
const LABELS = { env: 'prod', team: 'db' };
const seed = (text: string): Uint8Array => new TextEncoder().encode(text);

export const fuzz = {
  name: 'access-predicates',
  seeds: [
    'labels["env"] == "prod" || labels["env"] != `dev`',
    'contains(user.spec.traits["teams"], labels["team"]) && !exists(labels["x"])',
    'regexp.match(labels["team"], "^dev-.*$") || user.spec.roles.contains("dev")',
    'contains(regexp.replace(user.spec.traits["teams"], "^(.)", "$1x"), "db")',
    'contains_any(email.local(user.spec.traits["email"]), set("joe", split("a,b", ",")))',
    'contains(labels_matching("t*"), strings.lower("DB"))',
    'contains(session.participants, user.metadata.name)',
    'has_prefix(resource.metadata.labels[\'env\'], "p")',
  ].map(seed),
  run(input: Uint8Array): void {
    const text = new TextDecoder().decode(input);
    const compiler = createPredicateCompiler();
    tryAll(
      () => answer(compiler.labels(text)({ user: USER, labels: LABELS, name: 'web-1' })),
      () => answer(compiler.where(text)({ user: USER, resource: { name: 'r', labels: LABELS } })),
    );
  },
};

function answer(value: unknown): void {
  if (typeof value !== 'boolean') throw new Error('a condition gave something else than true or false');
}

/** Every part is tried; the input is refused when each of them refuses it. */
function tryAll(...parts: readonly (() => void)[]): void {
  let refusal: unknown;
  let accepted = 0;
  for (const part of parts) {
    try {
      part();
      accepted++;
    } catch (error) {
      if (!isCode(error, 'BAD_REQUEST')) throw error;
      refusal = error;
    }
  }
  if (accepted === 0) throw refusal;
}
