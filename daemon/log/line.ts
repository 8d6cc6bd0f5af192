// One log record as people read it: time, level, part, message, fields, all on one line. Pure. What came from outside
// is quoted, so that a record cannot forge another one or move the cursor of a terminal.

export interface LogRecord {
  readonly level: string;
  readonly message: string;
  readonly timestamp?: string;
  readonly component?: string;
  readonly caller?: string;
  readonly [field: string]: unknown;
}

const HEAD = new Set(['level', 'message', 'timestamp', 'component', 'caller']);
const COMPONENT_WIDTH = 12;
const PLAIN = /^[\p{L}\p{N}\p{P}\p{S}]+$/u;

/** Without a line break at the end, and without any control character. */
export function formatLine(record: LogRecord): string {
  const { level, message, timestamp, component, caller } = record;
  const parts = [
    timestamp,
    level.toUpperCase().padEnd(5),
    component === undefined ? undefined : `[${component.toUpperCase()}]`.padEnd(COMPONENT_WIDTH),
    plain(message),
    ...Object.entries(record)
      .filter(([name, value]) => !HEAD.has(name) && value !== undefined)
      .map(([name, value]) => formatField(name, value)),
    caller,
  ];
  return parts.filter((part) => part !== undefined && part !== '').join(' ');
}

function formatField(name: string, value: unknown): string {
  if (name === 'err' && typeof value === 'object' && value !== null) return formatError(value);
  return `${plain(name)}:${formatValue(value)}`;
}

interface ShownError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly cause?: unknown;
  readonly stack?: unknown;
}

/** Code, message and causes in one; the stack has lines, so it is a field of its own. */
function formatError({ code, message, cause, stack }: ShownError): string {
  const whole = [
    typeof code === 'string' ? `${code} ${String(message)}` : String(message),
    ...(typeof cause === 'string' ? [cause] : []),
  ].join(': ');
  const trace = typeof stack === 'string' ? ` stack:${escapeControls(JSON.stringify(stack))}` : '';
  return `error:${formatValue(whole)}${trace}`;
}

function formatValue(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
  if (typeof value !== 'string') return escapeControls(text);
  return PLAIN.test(text) && !text.includes('"') ? text : escapeControls(JSON.stringify(text));
}

const plain = (text: string): string => escapeControls(text);

/** Control characters, line separators and those that turn the direction of text, as \uXXXX. */
function escapeControls(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
