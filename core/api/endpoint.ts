// One value per call of the auth API, shared by server and client so that both check the same shapes.
// Lists of resources have routes made from the kinds instead: `/v1/resources/<plural>[/<name>]`.
import type { Schema } from '../schema/schema.ts';

export interface Endpoint<B, R> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** With `:name` for parts that vary; values are URI-encoded by the client. */
  readonly path: string;
  /** `bytes`: the body is no JSON, and `request` is the query. */
  readonly body?: 'bytes';
  /** The JSON body of POST and PUT, or the query of GET and DELETE. */
  readonly request: Schema<B>;
  readonly reply: Schema<R>;
  /** One sentence for the reference. */
  readonly says: string;
}

export function endpoint<B, R>(definition: Endpoint<B, R>): Endpoint<B, R> {
  return definition;
}
