// `gatectl audit verify`: sequence, hash chain and signed checkpoints, checked by the auth server. Exit code 1 when
// something is wrong.
import { verifyEvents } from '#core/api/audit.ts';
import { command } from '../../arguments.ts';
import { oneLine } from '../../format/text.ts';
import type { Gatectl } from './context.ts';

export const auditVerify = command({
  flags: {},
  examples: ['gatectl audit verify'],
  async run(context: Gatectl) {
    const api = await context.api();
    const report = await api.call(verifyEvents, {});
    const { out } = context;
    await out.show(report, () => {
      const count = `${report.events} events of ${report.writers} ${report.writers === 1 ? 'server' : 'servers'}`;
      if (report.ok) out.painted(`The audit log is whole: ${count}.`, 'green');
      else out.painted(`The audit log is NOT whole: ${report.findings.length} findings in ${count}.`, 'red');
      for (const { finding, where, message } of report.findings)
        out.line(oneLine(`${finding}  ${where}  ${message}`));
    });
    return report.ok ? 0 : 1;
  },
});
