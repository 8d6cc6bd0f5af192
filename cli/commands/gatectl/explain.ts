// `gatectl explain`: which role, rule, label or lock decided a denial.
import { explainDenial } from '#core/api/audit.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';
import { reasonLines } from './reasons.ts';

export const explain = command({
  flags: {},
  positionals: [{ name: 'ID', says: 'the denial id that the user was shown' }],
  examples: ['gatectl explain 6f1f8d0e-8f2e-4f0b-9a58-6f2f8c1b3d9a'],
  async run(context: Gatectl, { words: [id = ''] }) {
    const api = await context.api();
    const denial = await api.call(explainDenial, {}, { id });
    await context.out.show(denial, () => {
      const { out } = context;
      out.line(`Denied   ${oneLine(denial.action)}`);
      out.line(`User     ${oneLine(denial.user)}`);
      out.line(`Time     ${oneLine(denial.time)}`);
      for (const line of reasonLines(denial.reasons)) out.line(line);
    });
  },
});
