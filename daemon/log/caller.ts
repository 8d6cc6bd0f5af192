// Which line of the house wrote a log line, for the field `caller`.
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FRAME = /\(?(?:file:\/\/)?(\/[^():]+):(\d+):\d+\)?$/;

/** `auth/server.ts:215`; undefined when no frame of the house is on the stack. */
export function callerOf(stack = stackHere()): string | undefined {
  for (const line of stack.split('\n')) {
    const [, path = '', row = ''] = FRAME.exec(line) ?? [];
    if (!path.startsWith(ROOT)) continue;
    const own = path.slice(ROOT.length);
    if (own.startsWith('node_modules/') || own.startsWith('daemon/log/')) continue;
    return `${own}:${row}`;
  }
  return undefined;
}

function stackHere(): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, stackHere);
  return holder.stack ?? '';
}
