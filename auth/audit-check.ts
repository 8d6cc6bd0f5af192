// Checks the audit log's own files on behalf of an admin: chain, sequence and signed checkpoints.
// Apart from main.ts, which only connects, and from the routes, which know nothing of folders.
import { fileURLToPath } from 'node:url';
import type { AuditLog } from '#events/audit-log.ts';
import { verifyFolder } from '#events/verify.ts';
import type { AuditKeeper } from './audit-keeper.ts';
import type { AuditReport } from './routes/server-context.ts';

/** Only a sink of files can be checked here, and only the first is the one that searches trust. */
export function auditCheckOf(
  uri: string,
  audit: AuditLog,
  keeper: AuditKeeper,
): (() => Promise<AuditReport>) | undefined {
  if (!uri.startsWith('file:')) return undefined;
  return async () => {
    await audit.flush();
    const checkpoints = await keeper.load();
    const folder = fileURLToPath(uri);
    const report = await verifyFolder({ folder, checkpoints, isSigned: keeper.isSigned });
    return {
      ok: report.ok,
      events: report.lines,
      writers: report.writers.length,
      findings: report.findings.map(({ kind, file, line, message }) => ({
        finding: kind,
        where: file === undefined ? '' : `${file}:${line ?? 0}`,
        message,
      })),
    };
  };
}
