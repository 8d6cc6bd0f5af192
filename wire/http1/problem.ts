// How a refusal is told: JSON to programs, a plain page to people who look at it in a browser (R37). Never a redirect
// for a program, which would take the page behind it for an answer.
import { CODES, type Code } from '#core/errors/codes.ts';
import { isCode } from '#core/errors/error.ts';
import type { Answer } from './answer.ts';
import { fieldOf, type RequestHead } from './head.ts';

/** A person went to the address: not a script, an image or a frame, which nobody would see the page of. */
export function isNavigation({ method, fields }: RequestHead): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const mode = fieldOf(fields, 'sec-fetch-mode');
  if (mode !== undefined) return mode === 'navigate' && fieldOf(fields, 'sec-fetch-dest') !== 'iframe';
  if (fieldOf(fields, 'x-requested-with') !== undefined) return false;
  return (fieldOf(fields, 'accept') ?? '').includes('text/html');
}

/** Only the text of our own errors is told. */
export function problemAnswer(error: unknown, head: RequestHead | undefined): Answer {
  const code: Code = isCode(error) ? error.code : 'INTERNAL';
  const message = isCode(error) ? error.message : 'something went wrong here; the log has more';
  const status = code === 'UNAVAILABLE' ? 502 : CODES[code].status;
  const remedy = CODES[code].remedy;
  if (head !== undefined && isNavigation(head)) return pageOf(status, message, remedy);
  const details = isCode(error) ? error.details : undefined;
  const id = details?.['denial_id'] ?? details?.['denialId'];
  const body = { code, message, remedy, ...(typeof id === 'string' ? { denial_id: id } : {}) };
  return {
    status,
    type: 'application/json',
    fields: status === 401 ? [['www-authenticate', 'Gatehouse']] : [],
    body: `${JSON.stringify({ error: body })}\n`,
  };
}

function pageOf(status: number, message: string, remedy: string): Answer {
  const body = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="robots" content="noindex"><title>${status} - Gatehouse</title></head>
<body><main><h1>${escapeHtml(headingOf(status))}</h1><p>${escapeHtml(message)}</p><p>${escapeHtml(remedy)}</p></main></body>
</html>
`;
  return {
    status,
    type: 'text/html; charset=utf-8',
    fields: [['content-security-policy', "default-src 'none'; frame-ancestors 'none'"]],
    body,
  };
}

function headingOf(status: number): string {
  if (status === 403 || status === 401) return 'You are not let in';
  if (status === 404) return 'There is no such application';
  return status >= 500 ? 'The application cannot be reached' : 'The request was refused';
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as it stands in a page. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
