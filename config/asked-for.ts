// Whether a key that this release has no use for asks for anything: only then is it worth a notice.

/** `acme: {enabled: no}` asks for nothing. */
export function isAskedFor(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value !== 'object' || Array.isArray(value)) return true;
  const { enabled } = value as { enabled?: unknown };
  return enabled !== false && !['no', 'off', 'false'].includes(String(enabled).toLowerCase());
}
