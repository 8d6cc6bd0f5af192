// The schema builder: one value from which type, validation, redaction and reference pages are derived.
// A schema is plain data (a node); check.ts, redact.ts and describe.ts interpret it.

declare const TYPE: unique symbol;

export interface Schema<T> {
  readonly node: Node;
  readonly description: string;
  /** Never shown without an explicit request for secrets. */
  readonly secret: boolean;
  /** Present only for the type checker. */
  readonly [TYPE]?: T;
}

/** A field that may be left out; `fallback`, when set, fills it in. */
export interface OptionalSchema<T> extends Schema<T> {
  readonly optional: true;
}

/** A field that is always there after validation because it has a default. */
export interface DefaultedSchema<T> extends Schema<T> {
  readonly fallback: T;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

export type Fields = Readonly<Record<string, Schema<unknown>>>;
type OptionalKeys<F extends Fields> = {
  [K in keyof F]: F[K] extends { readonly optional: true } ? K : never;
}[keyof F];
type Flatten<T> = { [K in keyof T]: T[K] };
export type InferFields<F extends Fields> = Flatten<
  { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: Infer<F[K]> } & {
    readonly [K in OptionalKeys<F>]?: Infer<F[K]>;
  }
>;

export type Node =
  | {
      readonly type: 'string';
      readonly minLength: number;
      readonly maxLength: number;
      readonly format?: Format | undefined;
    }
  | { readonly type: 'enum'; readonly values: readonly string[] }
  | { readonly type: 'boolean' }
  | { readonly type: 'integer'; readonly min: number; readonly max: number }
  | { readonly type: 'duration'; readonly minMs: number }
  | { readonly type: 'timestamp' }
  | { readonly type: 'list'; readonly item: Schema<unknown>; readonly single: boolean; readonly max: number }
  | { readonly type: 'map'; readonly value: Schema<unknown>; readonly max: number }
  | { readonly type: 'object'; readonly fields: Fields }
  | { readonly type: 'choice'; readonly options: readonly Schema<unknown>[] }
  | { readonly type: 'json' };

/** A named rule on a string; `says` completes the sentence "must be …". */
export interface Format {
  readonly says: string;
  accepts(text: string): boolean;
}

interface Options {
  readonly description?: string;
  readonly secret?: boolean;
}

function make<T>(node: Node, options: Options = {}): Schema<T> {
  return { node, description: options.description ?? '', secret: options.secret ?? false };
}

/** Text of at most 64 KiB unless said otherwise. Numbers and booleans of YAML are taken as their text. */
export function string(
  options: Options & { minLength?: number; maxLength?: number; format?: Format } = {},
): Schema<string> {
  const { minLength = 0, maxLength = 65_536, format } = options;
  return make({ type: 'string', minLength, maxLength, format }, options);
}

export function enumOf<const V extends readonly string[]>(values: V, options?: Options): Schema<V[number]> {
  return make({ type: 'enum', values }, options);
}

/** `true`/`false`, and the words yes, no, on, off that the documents use. */
export function boolean(options?: Options): Schema<boolean> {
  return make({ type: 'boolean' }, options);
}

export function integer(options: Options & { min?: number; max?: number } = {}): Schema<number> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = options;
  return make({ type: 'integer', min, max }, options);
}

/** Text in Go syntax such as "1h30m", kept as text; use core/duration.ts to get milliseconds. */
export function duration(options: Options & { minMs?: number } = {}): Schema<string> {
  return make({ type: 'duration', minMs: options.minMs ?? 0 }, options);
}

/** RFC 3339 text in UTC; the documents' zero time `0001-01-01T00:00:00Z` is the same as leaving the field out. */
export function timestamp(options?: Options): Schema<string> {
  return make({ type: 'timestamp' }, options);
}

/** `single` also accepts one plain value in place of a list of one. */
export function list<T>(
  item: Schema<T>,
  options: Options & { single?: boolean; max?: number } = {},
): Schema<readonly T[]> {
  const { single = false, max = 10_000 } = options;
  return make({ type: 'list', item, single, max }, options);
}

/** Free keys, one type of value. */
export function map<T>(
  value: Schema<T>,
  options: Options & { max?: number } = {},
): Schema<Readonly<Record<string, T>>> {
  return make({ type: 'map', value, max: options.max ?? 10_000 }, options);
}

/** Known keys only. */
export function object<F extends Fields>(fields: F, options?: Options): Schema<InferFields<F>> {
  return make({ type: 'object', fields }, options);
}

/** The first option that accepts the value wins. */
export function choice<const O extends readonly Schema<unknown>[]>(
  options: O,
  about?: Options,
): Schema<Infer<O[number]>> {
  return make({ type: 'choice', options }, about);
}

/** Any JSON value, kept as it is: only for fields that are reserved for other programs. */
export function json(options?: Options): Schema<unknown> {
  return make({ type: 'json' }, options);
}

export function optional<T>(schema: Schema<T>): OptionalSchema<T> {
  return { ...schema, optional: true };
}

/** A default for a field that is left out; the default is shown in the reference. */
export function withDefault<T>(schema: Schema<T>, fallback: NoInfer<T>): DefaultedSchema<T> {
  return { ...schema, fallback };
}

export const isOptional = (schema: Schema<unknown>): schema is OptionalSchema<unknown> =>
  'optional' in schema;
export const hasDefault = (schema: Schema<unknown>): schema is DefaultedSchema<unknown> =>
  'fallback' in schema;
