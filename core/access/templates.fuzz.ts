// Throws bytes at templates and name matchers. Fuzz target; see the runner in test/fuzz.
import { isCode } from '../errors/error.ts';
import { compileNameMatcher } from './matchers.ts';
import { compileTemplate, MAX_VALUES } from './templates.ts';

const TRAITS = { a: ['x', 'y@z.example', '', '*'], logins: ['joe', 'root'], 'quoted key': ['q'] };
const seed = (text: string): Uint8Array => new TextEncoder().encode(text);

export const fuzz = {
  name: 'access-templates',
  seeds: [
    'root',
    'dev-{{external.a}}-x',
    '{{internal.logins}}',
    '{{external["quoted key"]}}',
    '{{email.local(external.a)}}',
    '{{regexp.replace(external.a, "^(.*)@.*$", "${1}x")}}',
    '{{regexp.match("^dev-.*$")}}',
    '{{regexp.not_match("dev-*")}}',
    '^us-(east|west)-[0-9]+$',
  ].map(seed),
  run(input: Uint8Array): void {
    const text = new TextDecoder().decode(input);
    tryAll(
      () => {
        const values = compileTemplate(text).expand(TRAITS);
        if (values.length > MAX_VALUES || values.includes(''))
          throw new Error('a template gave too much, or nothing');
      },
      () => compileNameMatcher(text).test('dev-1'),
    );
  },
};

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
