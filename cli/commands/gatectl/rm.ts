// `gatectl rm`: resources by kind and name, all or none.
import { GatehouseError } from '#core/errors/error.ts';
import { command } from '../../arguments.ts';
import type { Gatectl } from './context.ts';
import { readReferences } from './get.ts';
import { removeAll } from './remove.ts';

export const rm = command({
  about:
    'Removing a setting, such as cap, puts it back to its defaults. There is no question asked: deletes are in the audit\nlog, and `gatectl get` before makes a copy.',
  flags: {},
  positionals: [{ name: 'KIND/NAME', says: 'resources', isMany: true }],
  examples: ['gatectl rm user/joe', 'gatectl rm role/dev role/ops', 'gatectl rm users/admin'],
  async run(context: Gatectl, { words }) {
    const references = words.flatMap((word) => {
      if (!word.includes('/')) {
        throw new GatehouseError('USAGE', `"${word.slice(0, 64)}" names no single resource; write kind/name`);
      }
      return readReferences([word], true);
    });
    await removeAll(
      context,
      references.map(({ kind, name = '' }) => ({ kind: kind.name, name })),
    );
  },
});
