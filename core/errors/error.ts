// The one error class. Wrap only when adding a fact, and always pass the cause.
import { CODES, type Code, type CodeInfo } from './codes.ts';

export interface ErrorOptions {
  readonly cause?: unknown;
  /** Facts for programs, such as `field` or `denialId`. Must hold no secret: they reach the caller. */
  readonly details?: Readonly<Record<string, unknown>>;
}

/** An error whose message is fit for the caller and whose `code` is the contract. */
export class GatehouseError extends Error {
  override readonly name = 'GatehouseError';
  readonly code: Code;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: Code, message: string, options: ErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get info(): CodeInfo {
    return CODES[this.code];
  }
}

/** True when `error` is ours and carries one of `codes` (any code when none is given). */
export function isCode(error: unknown, ...codes: readonly Code[]): error is GatehouseError {
  return error instanceof GatehouseError && (codes.length === 0 || codes.includes(error.code));
}

/** The wire form of an error; unknown errors become INTERNAL and say nothing of their cause. */
export interface ErrorBody {
  readonly code: Code;
  readonly message: string;
  readonly remedy: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export function toErrorBody(error: unknown): ErrorBody {
  const known = isCode(error) ? error : new GatehouseError('INTERNAL', 'internal error');
  return { code: known.code, message: known.message, remedy: known.info.remedy, details: known.details };
}

/** Rebuilds an error from its wire form; a body that is not one becomes UNAVAILABLE. */
export function fromErrorBody(body: unknown): GatehouseError {
  if (typeof body === 'object' && body !== null && 'code' in body && 'message' in body) {
    const { code, message, details } = body as Partial<ErrorBody>;
    if (typeof code === 'string' && Object.hasOwn(CODES, code) && typeof message === 'string') {
      return new GatehouseError(code, message, details === undefined ? {} : { details });
    }
  }
  return new GatehouseError('UNAVAILABLE', 'the server sent an answer that is not understood');
}
