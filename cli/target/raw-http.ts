// Headers as they are on the wire: name and value in turn. What is passed on keeps its order and its spelling.
import type { IncomingMessage } from 'node:http';

/** `names` in lower case. */
export function withoutHeaders(headers: readonly string[], names: ReadonlySet<string>): string[] {
  return headers.filter((_, at) => !names.has((headers[at - (at % 2)] ?? '').toLowerCase()));
}

/** Status line and headers of an answer, for a connection that is no HTTP any more. */
export function headText({ statusCode, statusMessage, rawHeaders }: IncomingMessage): string {
  const lines = rawHeaders.flatMap((name, at) =>
    at % 2 === 0 ? [`${name}: ${rawHeaders[at + 1] ?? ''}`] : [],
  );
  return `${[`HTTP/1.1 ${statusCode ?? 502} ${statusMessage ?? ''}`, ...lines].join('\r\n')}\r\n\r\n`;
}
