import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { KINDS } from '#kinds/all.ts';
import { parseDocuments } from '#kinds/documents.ts';
import { formatJson, formatResources, formatYaml } from './data.ts';

const HOSTILE = 'a\u001b[2J\u009b1m\u202eb\r\n---\nkind: x\u2028\u007f';
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/u;

test.each([
  ['JSON', formatJson, (text: string) => JSON.parse(text) as unknown],
  ['YAML', formatYaml, (text: string) => parse(text) as unknown],
] as const)('S27 %s: values come back unchanged and reach the terminal as escapes', (_, format, read) => {
  const value = { name: HOSTILE, [HOSTILE]: [HOSTILE], deep: { list: ['\u200b', 'plain', ''] } };
  expect(format(value)).not.toMatch(RAW);
  expect(read(format(value))).toEqual(value);
});

test('ok: any text survives YAML and JSON', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(JSON.parse(formatJson({ text }))).toEqual({ text });
      expect(parse(formatYaml({ text }))).toEqual({ text });
      expect(formatYaml({ text })).not.toMatch(RAW);
    }),
    { examples: [['\u00a0\t!'], ['a\tb\nc'], ['   \n'], ['\n \n\n'], [' \n \n']] },
  );
});

test.each([HOSTILE, '  \n\t', ' \n \n'])(
  'S27 resources are read back by `create`, hostile texts and all: %j',
  (description) => {
    const resource = {
      kind: 'role',
      version: 'v7',
      metadata: { name: 'dev', description, labels: { note: HOSTILE } },
      spec: { options: {}, allow: { logins: ['a'] }, deny: {} },
    };
    for (const format of ['yaml', 'json'] as const) {
      const text = formatResources([resource], format);
      expect(text).not.toMatch(RAW);
      const [back] = parseDocuments(text, { kinds: KINDS, source: 'x' });
      expect(back?.metadata).toEqual(resource.metadata);
    }
  },
);
