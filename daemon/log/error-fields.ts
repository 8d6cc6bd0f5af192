// What a log line says of an error: code, message and causes; the stack where it helps to find a bug.
import { GatehouseError } from '#core/errors/error.ts';

export interface ErrorFields {
  readonly code?: string;
  readonly message: string;
  readonly cause?: string;
  readonly stack?: string;
}

const MAX_CAUSES = 5;

/** `withStack`: also for our own errors, which are expected and say where they come from by their code. */
export function describeError(error: unknown, withStack: boolean): ErrorFields {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as NodeJS.ErrnoException;
  const causes = causesOf(error);
  const isBug = !(error instanceof GatehouseError) && code === undefined;
  return {
    ...(typeof code === 'string' ? { code } : {}),
    message: error.message,
    ...(causes.length === 0 ? {} : { cause: causes.join(': ') }),
    ...((withStack || isBug) && error.stack !== undefined ? { stack: error.stack } : {}),
  };
}

function causesOf(error: Error): string[] {
  const causes: string[] = [];
  let cause = error.cause;
  while (cause instanceof Error && causes.length < MAX_CAUSES) {
    causes.push(cause.message);
    cause = cause.cause;
  }
  return causes;
}
