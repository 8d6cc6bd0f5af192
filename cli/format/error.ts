// How a failure is told: one line that says what is wrong, one that says what to do; as JSON for programs.
import { isCode, toErrorBody, type GatehouseError } from '#core/errors/error.ts';
import { escapeRisky, indented, oneLine, paint } from './text.ts';

export interface ErrorLook {
  readonly asJson: boolean;
  /** Adds what caused it, and where. */
  readonly withCauses: boolean;
  readonly colours: boolean;
}

export interface FormattedError {
  readonly text: string;
  readonly exitCode: number;
}

/** Text for stderr, ending in a line break. An error that is not ours is a bug and says so. */
export function formatError(error: unknown, look: ErrorLook): FormattedError {
  const exitCode = isCode(error, 'USAGE') ? 2 : 1;
  const body = toErrorBody(error);
  const message = isCode(error) ? body.message : `${body.message}: ${messageOf(error)}`;
  const remedy = isCode(error) ? remedyOf(error) : body.remedy;
  // What is wrong with a command line is said in full by the message.
  const showsRemedy = remedy !== '' && !(isCode(error, 'USAGE') && remedy === error.info.remedy);
  const causes = look.withCauses ? causesOf(error) : [];
  if (look.asJson) {
    const value = { error: { ...body, message, remedy, ...(causes.length === 0 ? {} : { causes }) } };
    return { text: `${escapeRisky(JSON.stringify(value))}\n`, exitCode };
  }
  const lines = [
    `${paint('ERROR:', 'red', look.colours)} ${indented(message)}`,
    ...(showsRemedy ? [`  ${oneLine(remedy)}`] : []),
    ...denialLine(error),
    ...causes.map((cause) => `  caused by: ${indented(cause)}`),
  ];
  return { text: `${lines.join('\n')}\n`, exitCode };
}

/** A remedy of this very error, such as the command to run, in place of the general one of its code. */
function remedyOf(error: GatehouseError): string {
  const own = error.details['remedy'];
  return typeof own === 'string' ? own : error.info.remedy;
}

function denialLine(error: unknown): string[] {
  const id = isCode(error) ? error.details['denial_id'] : undefined;
  return isCode(error) && typeof id === 'string' && !error.message.includes(id)
    ? [`  Denial id: ${oneLine(id)}`]
    : [];
}

/** The chain of causes, outermost first; of a bug its stack as well. */
function causesOf(error: unknown): string[] {
  const causes: string[] = [];
  let at = isCode(error) ? error.cause : error;
  while (at !== undefined && causes.length < 8) {
    causes.push(isCode(at) ? `${at.code} ${at.message}` : ((at as Error).stack ?? messageOf(at)));
    at = (at as Error).cause;
  }
  return causes;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
