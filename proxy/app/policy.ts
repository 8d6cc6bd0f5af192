// What a request from a browser may do at an application's origin: who may ask from other origins (CORS), and what is
// refused because another site, or another application beside this one, made the browser send it. Pure.
import type { AppSpec } from '#kinds/app/kind.ts';
import { fieldOf, type RequestHead } from '#wire/http1/head.ts';
import { upgradeOf } from '#wire/http1/framing.ts';
import type { Answer } from '#wire/http1/answer.ts';

type Cors = AppSpec['cors'];

const ELSEWHERE: ReadonlySet<string> = new Set(['cross-site', 'same-site']);
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The origin that a page of somebody else asks from; undefined when it is our own, or nobody said. */
export function foreignOrigin(head: RequestHead, own: string): string | undefined {
  const origin = fieldOf(head.fields, 'origin');
  return origin === undefined || origin.toLowerCase() === own.toLowerCase() ? undefined : origin;
}

export function allowsOrigin(cors: Cors, origin: string): boolean {
  const allowed = cors?.allowed_origins ?? [];
  return allowed.includes(origin) || allowed.includes('*');
}

/**
 * Whether a request with a cookie is refused because of where it comes from: one that changes something, or opens a
 * WebSocket, from another origin. The cookie alone is sent along between applications of one site.
 */
export function isForged(head: RequestHead, own: string, cors: Cors): boolean {
  if (SAFE.has(head.method) && upgradeOf(head) === undefined) return false;
  const origin = foreignOrigin(head, own);
  if (origin === undefined) return ELSEWHERE.has(fieldOf(head.fields, 'sec-fetch-site') ?? '');
  // With any origin allowed, no credentials go along.
  return !(cors?.allowed_origins ?? []).includes(origin);
}

/** A question of a browser whether it may ask: it comes without cookies, and is answered as the settings say. */
export function preflightAnswer(head: RequestHead, own: string, cors: Cors): Answer | undefined {
  if (head.method !== 'OPTIONS') return undefined;
  if (fieldOf(head.fields, 'access-control-request-method') === undefined) return undefined;
  const origin = foreignOrigin(head, own);
  if (origin === undefined || cors === undefined || !allowsOrigin(cors, origin)) return undefined;
  return {
    status: 204,
    fields: [
      ...corsFields(cors, origin),
      ['access-control-allow-methods', (cors.allowed_methods ?? ['GET', 'HEAD', 'POST']).join(', ')],
      ...(cors.allowed_headers === undefined
        ? []
        : ([['access-control-allow-headers', cors.allowed_headers.join(', ')]] as const)),
      ...(cors.max_age === undefined ? [] : ([['access-control-max-age', String(cors.max_age)]] as const)),
    ],
  };
}

/** The lines that let a page of that origin read an answer of ours. */
export function corsFields(cors: Cors, origin: string | undefined): readonly (readonly [string, string])[] {
  if (cors === undefined || origin === undefined || !allowsOrigin(cors, origin)) return [];
  const isNamed = (cors.allowed_origins ?? []).includes(origin);
  return [
    ['access-control-allow-origin', isNamed ? origin : '*'],
    ['vary', 'Origin'],
    ...(cors.allow_credentials === true && isNamed
      ? ([['access-control-allow-credentials', 'true']] as const)
      : []),
    ...(cors.exposed_headers === undefined
      ? []
      : ([['access-control-expose-headers', cors.exposed_headers.join(', ')]] as const)),
  ];
}
