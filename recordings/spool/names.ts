// Names of files in the spool; the ending is the state, so that one rename is one step of a segment's life:
// `.part` is being written, `.seg` is complete, `.end` is complete and the last.
import { isSessionId } from '../meta.ts';

const NAME = /^([0-9a-f-]{36})\.(\d{6})\.(part|seg|end)$/;

export type SegmentState = 'part' | 'seg' | 'end';

export interface SegmentName {
  readonly session: string;
  readonly number: number;
  readonly state: SegmentState;
}

export function nameOf({ session, number, state }: SegmentName): string {
  return `${session}.${String(number).padStart(6, '0')}.${state}`;
}

/** Undefined for what is no file of ours. */
export function parseName(name: string): SegmentName | undefined {
  const [, session = '', digits = '', state] = NAME.exec(name) ?? [];
  const number = Number(digits);
  if (!isSessionId(session) || number < 1) return undefined;
  return { session, number, state: state as SegmentState };
}
