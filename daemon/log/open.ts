// The logger of the process: pino in front, and behind it one of the outputs in the form that the configuration asks
// for. Everybody else knows core/log.ts only.
import pino from 'pino';
import type { LogConfig } from '#config/config.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { callerOf } from './caller.ts';
import { describeError } from './error-fields.ts';
import { formatLine, type LogRecord } from './line.ts';
import type { LogOutput } from './output.ts';
import { MAX_TEXT, redactFields, redactText } from './redact.ts';

const SOURCE = '@source';

/** Writes to `output`, which the caller closes after the last line. */
export function openLog(config: LogConfig, output: LogOutput, clock: Pick<Clock, 'now'>): Log {
  const { severity, extraFields } = config;
  const isVerbose = severity === 'debug' || severity === 'trace';
  const time = (): string => `,"timestamp":${JSON.stringify(new Date(clock.now()).toISOString())}`;
  return pino(
    {
      base: null,
      level: severity,
      messageKey: 'message',
      timestamp: extraFields.includes('timestamp') ? time : false,
      // describeError has said all there is to say.
      serializers: { err: (error: unknown) => error },
      formatters: {
        level: (label) => ({ level: label }),
        log: ({ err, ...fields }) => ({
          ...redactFields(fields),
          ...(err === undefined ? {} : { err: describeError(err, isVerbose) }),
        }),
      },
      ...(extraFields.includes('caller') ? { mixin: () => ({ [SOURCE]: callerOf() }) } : {}),
    },
    {
      write(line: string) {
        const record = JSON.parse(line) as LogRecord;
        output.write(shape(record, config), record.level);
      },
    },
  );
}

/** `caller` is the line of the house that wrote the record; a field of that name becomes `identity`. */
function shape(record: LogRecord, { format, extraFields }: LogConfig): string {
  const { part, level, caller, [SOURCE]: source, ...fields } = record;
  const component = extraFields.includes('component') && typeof part === 'string' ? { component: part } : {};
  const rest = {
    ...component,
    ...fields,
    ...(caller === undefined ? {} : { identity: caller }),
    ...(typeof source === 'string' ? { caller: source } : {}),
  };
  if (format === 'text') return redactText(formatLine({ level, ...rest } as LogRecord));
  const head = extraFields.includes('level') ? { level } : {};
  const whole = toJson({ ...head, ...rest });
  if (whole.length <= MAX_TEXT) return whole;
  // A cut line would not be JSON: what there is too much of goes.
  const { timestamp, message, err } = record;
  return toJson({ ...head, timestamp, ...component, message: brief(message), err: brief(err), isCut: true });
}

/** Each text by itself, so that what is left is JSON still. */
const toJson = (value: object): string =>
  JSON.stringify(value, (_, text: unknown) => (typeof text === 'string' ? redactText(text) : text));

function brief(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 1000);
}
