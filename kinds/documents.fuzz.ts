// Fuzz target: resource files come from people and from other programs. What is read must also be printed and read
// back to the same resources.
import { deepStrictEqual } from 'node:assert';
import { KINDS } from './all.ts';
import { formatDocuments, parseDocuments } from './documents.ts';

const SEEDS = [
  'kind: user\nversion: v2\nmetadata:\n  name: joe\nspec:\n  roles: admin\n  traits: {logins: [joe, "ro\\u0000ot"]}\n',
  'kind: token\nmetadata: {name: abcd1234, labels: {a: 010, b: "\\t"}}\nspec: {roles: [Node]}\n---\nkind: cap\n',
  '[{"kind":"cluster_name","spec":{"cluster_name":"a.b"}}]',
  'a: &x [1, *x]\n<<: *x\n? {k: v}\n: !!binary aGk=\n',
  '%YAML 1.2\n--- |\n  text\n...\n--- >-\n  folded\n',
];

export const fuzz = {
  name: 'kinds/documents',
  seeds: SEEDS.map((seed) => new TextEncoder().encode(seed)),
  run(input: Uint8Array): void {
    const options = { kinds: KINDS, source: 'fuzz' };
    const resources = parseDocuments(new TextDecoder().decode(input), options);
    deepStrictEqual(parseDocuments(formatDocuments(resources, 'yaml'), options), resources);
    deepStrictEqual(parseDocuments(formatDocuments(resources, 'json'), options), resources);
  },
};
