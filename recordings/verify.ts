// Tells whether a recording is what was recorded: every segment there, unchanged, in its place, up to the end. With the
// head that the audit log remembers it also finds a recording that was made anew as a whole.
import type { RecordingEnd, RecordingMeta } from './meta.ts';
import { readRecording, type Finding } from './read.ts';
import type { RecordingSource } from './source.ts';

export interface VerifyOptions {
  /** SHA-256 of the last segment, as `session.upload` tells it. */
  readonly head?: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  /** The first MAX_FINDINGS; `findingCount` counts all. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
  readonly segments: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** SHA-256 of the last segment that is there. */
  readonly head: string | undefined;
  readonly meta: RecordingMeta | undefined;
  readonly end: RecordingEnd | undefined;
}

const MAX_FINDINGS = 1000;

/** NOT_FOUND when there is no such recording. */
export async function verifyRecording(
  source: RecordingSource,
  options: VerifyOptions = {},
): Promise<VerifyReport> {
  const findings: Finding[] = [];
  let findingCount = 0;
  const seen = { segments: 0, bytes: 0, head: undefined as string | undefined, durationMs: 0 };
  let meta: RecordingMeta | undefined;
  let end: RecordingEnd | undefined;
  const onFinding = (finding: Finding): void => {
    if (++findingCount <= MAX_FINDINGS) findings.push(finding);
  };
  const onSegment = (segment: { number: number; bytes: number; sha256: string }): void => {
    seen.segments = segment.number;
    seen.bytes += segment.bytes;
    seen.head = segment.sha256;
  };
  for await (const frame of readRecording(source, { onFinding, onSegment })) {
    seen.durationMs = Math.max(seen.durationMs, frame.at);
    if (frame.type === 'start') meta ??= frame.meta;
    else if (frame.type === 'end') end ??= frame.end;
  }
  if (options.head !== undefined && options.head !== seen.head) {
    const message = 'the last segment is not the one that was uploaded';
    onFinding({ kind: 'changed', segment: Math.max(1, seen.segments), message });
  }
  return { ok: findingCount === 0, findings, findingCount, ...seen, meta, end };
}
