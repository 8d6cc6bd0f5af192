// Opens the audit log of this auth server: sinks, journal, signed checkpoints, and the check of its own files.
// Apart from main.ts, which only connects, and from the routes, which know nothing of folders.
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { defaultSinkUri, openSinks } from '#events/all.ts';
import type { AuditLog } from '#events/audit-log.ts';
import { openAuditLog } from '#events/log.ts';
import { verifyFolder } from '#events/verify.ts';
import { openAuditKeeper, type AuditKeeper } from './audit-keeper.ts';
import type { AuditReport } from './routes/server-context.ts';
import type { ClusterState } from './state/state.ts';

export interface OpenAuditOptions {
  readonly state: ClusterState;
  readonly clock: Clock;
  readonly log: Log;
  readonly stdout: Writable;
  readonly dataDir: string;
  /** In order; empty takes `<data_dir>/log`. */
  readonly auditEventsUris: readonly string[];
  readonly clusterName: string;
  /** Host id of this auth server. */
  readonly writer: string;
}

export interface OpenAudit {
  readonly audit: AuditLog;
  /** Absent when the first sink keeps no files. */
  readonly verifyAudit: (() => Promise<AuditReport>) | undefined;
}

/** The caller closes `audit`, before the state. Errors as of sinks and log. */
export async function openAudit(options: OpenAuditOptions): Promise<OpenAudit> {
  const { state, dataDir } = options;
  const checkpoint = await openAuditKeeper(state);
  const uris = options.auditEventsUris.length === 0 ? [defaultSinkUri(dataDir)] : options.auditEventsUris;
  const sinks = await openSinks(uris, options);
  try {
    const spillDir = join(dataDir, 'audit-spill');
    const audit = await openAuditLog({ ...options, sinks, spillDir, checkpoint });
    return { audit, verifyAudit: auditCheckOf(uris[0] ?? '', audit, checkpoint) };
  } catch (error) {
    await Promise.all(sinks.map((sink) => sink.close()));
    throw error;
  }
}

/** Only a sink of files can be checked here, and only the first is the one that searches trust. */
function auditCheckOf(
  uri: string,
  audit: AuditLog,
  keeper: AuditKeeper,
): (() => Promise<AuditReport>) | undefined {
  if (!uri.startsWith('file:')) return undefined;
  const check = async (): Promise<AuditReport> => {
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
  // All files are read: whoever asks meanwhile gets the same answer.
  let running: Promise<AuditReport> | undefined;
  return () => (running ??= check().finally(() => (running = undefined)));
}
