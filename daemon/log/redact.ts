// The last net under the type Secret: fields that are named like a secret, and private keys in any text, never reach
// a log, whoever wrote them there.

const SECRET_NAME =
  /^(?:.*_)?(?:token|password|passwd|secret|otp|otp_uri|private_key|authorization|cookie|conn_string)$|(?:Token|Password|Secret|PrivateKey)$/;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
const REDACTED = '[redacted]';
const MAX_DEPTH = 6;
export const MAX_TEXT = 16 * 1024;

/** A copy that is safe to write: bounded in depth and in the length of each text. */
export function redactFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, redactField(name, value, MAX_DEPTH)]),
  );
}

/** The text without private keys, cut to a length that a log can take. */
export function redactText(text: string): string {
  const kept = text.includes('PRIVATE KEY') ? text.replace(PRIVATE_KEY, REDACTED) : text;
  return kept.length > MAX_TEXT ? `${kept.slice(0, MAX_TEXT)}…` : kept;
}

function redactField(name: string, value: unknown, depth: number): unknown {
  if (SECRET_NAME.test(name) && value !== undefined && value !== null && typeof value !== 'boolean') {
    return REDACTED;
  }
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return value;
  return redactObject(value, depth);
}

function redactObject(value: object, depth: number): unknown {
  if ('toJSON' in value && typeof value.toJSON === 'function') return (value.toJSON as () => unknown)();
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (value instanceof Map || value instanceof Set) return `${value.size} entries`;
  if (depth === 0) return '…';
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => redactField('', item, depth - 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, redactField(key, item, depth - 1)]),
  );
}
