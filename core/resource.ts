// The envelope that every resource shares: kind, version, metadata, spec.
import * as s from './schema/schema.ts';

export interface Metadata {
  readonly name: string;
  readonly description?: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** RFC 3339; the resource is gone from then on. */
  readonly expires?: string;
  /** Set by the store; when given on a write, the write is refused if the resource changed since. */
  readonly revision?: string;
}

export interface Resource<S = unknown> {
  readonly kind: string;
  readonly sub_kind?: string;
  readonly version: string;
  readonly metadata: Metadata;
  readonly spec: S;
}

/** A name that is safe in keys, URLs, tables and shells once quoted; slashes and control characters are out. */
export const resourceName: s.Format = {
  says: 'a name of 1 to 253 letters, digits and . _ - @ + : = (no spaces or slashes)',
  // oxlint-disable-next-line no-control-regex -- control characters are what is refused
  accepts: (text) =>
    /^[\p{L}\p{N}._@+:=-]{1,253}$/u.test(text) &&
    text !== '.' &&
    text !== '..' &&
    text === text.normalize('NFC'),
};

export const metadataSchema = s.object({
  name: s.string({ format: resourceName, description: 'Unique within the kind.' }),
  namespace: s.optional(s.enumOf(['default'], { description: 'Only "default"; accepted for older files.' })),
  description: s.optional(s.string({ maxLength: 4096, description: 'Free text for people.' })),
  labels: s.optional(
    s.map(s.string({ maxLength: 1024 }), { max: 256, description: 'Keys and values to select by.' }),
  ),
  expires: s.optional(s.timestamp({ description: 'The resource is removed at this time.' })),
  revision: s.optional(
    s.string({ maxLength: 64, description: 'Set by the store; guards against lost updates.' }),
  ),
});
