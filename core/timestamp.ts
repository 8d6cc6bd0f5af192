// Times as resources hold them: RFC 3339 in UTC, in the one spelling that the schema gives to what it reads. Code that
// writes a record without parsing it again needs the same one, or a record would change by being exported.

/** `ms` since the epoch: "2026-01-31T15:04:05Z", with milliseconds only where there are some. */
export function timestampOf(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z');
}
