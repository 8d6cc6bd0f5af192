// What the answer to an upload means for the next attempt. Apart from the uploader because it is a decision, and the one
// that keeps a single bad recording from holding up all others.
import type { Code } from '#core/errors/codes.ts';
import { GatehouseError, isCode } from '#core/errors/error.ts';

/** Repeating is of no use: the bytes are wrong, or others are there. */
const REFUSED: readonly Code[] = ['BAD_REQUEST', 'TOO_LARGE', 'ALREADY_EXISTS', 'CORRUPT', 'NOT_SUPPORTED'];
/** Says something of this recording, not of the target; may change by what is done next, or not at all. */
const OF_THE_RECORDING: readonly Code[] = ['ACCESS_DENIED', 'CONDITION_FAILED', 'NOT_FOUND', 'INTERNAL'];

/** `wait`: the target is away, so nothing else goes either. `later`: others first, this one again after a while. */
export type Verdict = 'refused' | 'later' | 'wait';

export function judge(error: unknown): Verdict {
  if (isCode(error, ...REFUSED)) return 'refused';
  return isCode(error, ...OF_THE_RECORDING) ? 'later' : 'wait';
}

/** True for codes after which the uploader puts the segment aside. */
export function isRefusal(error: unknown): boolean {
  return judge(error) === 'refused';
}

export function asFailure(error: unknown): GatehouseError {
  if (isCode(error)) return error;
  return new GatehouseError('UNAVAILABLE', 'the upload failed', { cause: error });
}
