// A route as a plain value: which call it answers, who may call it, and the function that does it. The server mounts
// these; no handler knows HTTP.
import type { Readable } from 'node:stream';
import type { Endpoint } from '#core/api/endpoint.ts';
import type { AuthContext } from '../context.ts';
import type { RouteAccess } from '../guard/access.ts';
import type { Caller } from '../guard/caller.ts';

/** `C` is what the handler needs of the server; most need no more than the context. */
export interface Handler<B = unknown, R = unknown, C extends AuthContext = AuthContext> {
  readonly endpoint: Endpoint<B, R>;
  readonly access: RouteAccess;
  /** Bytes of the body that are read; when left out 64 KiB from anyone and 1 MiB from members. */
  readonly bodyLimit?: number;
  /** `request` has passed the endpoint's schema; `params` are the decoded `:name` parts of the path. */
  handle(context: C, caller: Caller, request: B, params: Readonly<Record<string, string>>): Promise<R>;
}

/** A call whose reply is sent as it is made. The stream bounds its own buffer and ends when the caller loses access. */
export interface StreamHandler<B = unknown, C extends AuthContext = AuthContext> {
  readonly endpoint: Endpoint<B, unknown>;
  readonly access: RouteAccess;
  readonly contentType: string;
  stream(context: C, caller: Caller, request: B, params: Readonly<Record<string, string>>): Promise<Readable>;
}

/** A call whose body is bytes. Few at a time are read, because each is held in memory: more are UNAVAILABLE. */
export interface UploadHandler<B = unknown, R = unknown, C extends AuthContext = AuthContext> {
  readonly endpoint: Endpoint<B, R>;
  readonly access: RouteAccess;
  readonly bodyLimit: number;
  readonly mostAtOnce: number;
  upload(
    context: C,
    caller: Caller,
    request: B,
    params: Readonly<Record<string, string>>,
    body: Uint8Array,
  ): Promise<R>;
}

/** Lets the compiler find the types of a handler from its endpoint. */
export function handler<B, R, C extends AuthContext>(definition: Handler<B, R, C>): Handler<B, R, C> {
  return definition;
}
