// From core/schema to the structural OpenAPI schemas that Kubernetes takes. The API server must let through whatever the
// schema takes, and drop nothing: where its types cannot say what we take, it is told less, and the operator says the rest.
import { clusterNameFormat } from '#core/cluster-settings.ts';
import { resourceName } from '#core/resource.ts';
import { describeType } from '#core/schema/check.ts';
import {
  hasDefault,
  isOptional,
  type Fields,
  type Format,
  type Node,
  type Schema,
} from '#core/schema/schema.ts';
import { dataKey, objectName, secretValue } from './fields.ts';

/** A rule in CEL; `message` says what is wrong and what to do. */
export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** A structural schema of apiextensions.k8s.io/v1. */
export interface OpenApi {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly format?: string;
  readonly enum?: readonly (string | number | boolean)[];
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: OpenApi;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, OpenApi>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: OpenApi;
  readonly maxProperties?: number;
  readonly default?: unknown;
  readonly nullable?: true;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
  readonly 'x-kubernetes-list-type'?: 'map' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-validations'?: readonly Rule[];
}

export interface Conversion {
  /** Defaults are written into the schema, so that the API server writes them into objects. */
  readonly defaults: boolean;
  /** What core/schema cannot say, by path such as `proxy.tls`; laid over what was made of the schema. */
  readonly more?: Readonly<Record<string, OpenApi>> | undefined;
}

/** Formats that a regular expression of Go (RE2) can say; of the others only the description speaks. */
const PATTERNS: ReadonlyMap<Format, string> = new Map([
  [resourceName, '^[\\p{L}\\p{N}._@+:=-]{1,253}$'],
  [
    clusterNameFormat,
    '^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(\\.[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?)*$',
  ],
  [objectName, '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'],
  [dataKey, '^[-._a-zA-Z0-9]+$'],
]);
const DURATION = '^(0|([0-9]+(\\.[0-9]+)?(ms|[smhd]))+)$';
const ANYTHING: OpenApi = { 'x-kubernetes-preserve-unknown-fields': true };
/** Beyond this the API server's own integers end; a bound there says nothing. */
const NO_MAXIMUM = Number.MAX_SAFE_INTEGER;

/** The structural schema of `schema`. A secret becomes an object that says in which Secret it is kept. */
export function openApiOf(schema: Schema<unknown>, conversion: Conversion): OpenApi {
  return fieldSchema(schema, '', conversion);
}

function visit(schema: Schema<unknown>, path: string, conversion: Conversion): OpenApi {
  const made = schema.secret ? secretSchema(schema) : visitNode(schema.node, path, conversion);
  const description = [schema.description, schema.secret ? '' : hintOf(schema.node)]
    .filter((part) => part !== '')
    .join(' ');
  return {
    ...(description === '' ? {} : { description }),
    ...made,
    ...(conversion.defaults && hasDefault(schema) ? { default: schema.fallback } : {}),
    ...conversion.more?.[path],
  };
}

function secretSchema({ description }: Schema<unknown>): OpenApi {
  const about = description === '' ? '' : `${description} `;
  return visit(secretValue(`${about}A secret: it is kept in a Secret, never here.`), '', { defaults: false });
}

function visitNode(node: Node, path: string, conversion: Conversion): OpenApi {
  switch (node.type) {
    case 'string':
      return stringSchema(node);
    case 'enum':
      return wordsSchema(node.values);
    case 'boolean':
      return { type: 'boolean' };
    case 'integer':
      return {
        type: 'integer',
        format: 'int64',
        minimum: node.min,
        ...(node.max === NO_MAXIMUM ? {} : { maximum: node.max }),
      };
    case 'duration':
      return { type: 'string', maxLength: 64, pattern: DURATION };
    case 'timestamp':
      return { type: 'string', format: 'date-time', maxLength: 64 };
    case 'list':
      return listSchema(node, path, conversion);
    case 'map':
      return mapSchema(node, path, conversion);
    case 'object':
      return objectSchema(node.fields, path, conversion);
    case 'choice':
      return choiceSchema(node.options, path, conversion);
    case 'json':
      return ANYTHING;
  }
}

function stringSchema({ minLength, maxLength, format }: Extract<Node, { type: 'string' }>): OpenApi {
  const pattern = format === undefined ? undefined : PATTERNS.get(format);
  return {
    type: 'string',
    ...(minLength === 0 ? {} : { minLength }),
    maxLength,
    ...(pattern === undefined ? {} : { pattern }),
  };
}

/** Words that YAML reads as a boolean or a number are taken in that form too, as core/schema does. */
function wordsSchema(values: readonly string[]): OpenApi {
  const others = otherForms(values);
  if (others.length === 0) return { type: 'string', enum: values };
  return { ...ANYTHING, enum: [...values, ...others] };
}

function otherForms(values: readonly string[]): (boolean | number)[] {
  const has = (words: readonly string[]): boolean => words.some((word) => values.includes(word));
  return [
    ...(has(['on', 'true', 'yes']) ? [true] : []),
    ...(has(['off', 'false', 'no']) ? [false] : []),
    ...values.filter((value) => /^\d{1,9}$/.test(value)).map(Number),
  ];
}

/** One plain value is taken for a list of one. There is no type for that, so items and bounds speak for both forms. */
function listSchema(node: Extract<Node, { type: 'list' }>, path: string, conversion: Conversion): OpenApi {
  const items = visit(node.item, `${path}[]`, conversion);
  if (!node.single) return { type: 'array', items, maxItems: node.max };
  const { minLength, maxLength } = items;
  return {
    ...ANYTHING,
    items,
    maxItems: node.max,
    maxProperties: 0,
    ...(minLength === undefined ? {} : { minLength }),
    ...(maxLength === undefined ? {} : { maxLength }),
  };
}

function mapSchema(node: Extract<Node, { type: 'map' }>, path: string, conversion: Conversion): OpenApi {
  if (node.value.node.type === 'json') return { type: 'object', ...ANYTHING, maxProperties: node.max };
  const additionalProperties = visit(node.value, `${path}.*`, conversion);
  return { type: 'object', additionalProperties, maxProperties: node.max };
}

function objectSchema(fields: Fields, path: string, conversion: Conversion): OpenApi {
  const entries = Object.entries(fields);
  const required = entries.filter(([, field]) => !isOptional(field) && !hasDefault(field));
  const below = path === '' ? '' : `${path}.`;
  return {
    type: 'object',
    properties: Object.fromEntries(
      entries.map(([name, field]) => [name, fieldSchema(field, `${below}${name}`, conversion)]),
    ),
    ...(required.length === 0 ? {} : { required: required.map(([name]) => name) }),
  };
}

/**
 * Server-side apply makes a null of what its manager emptied, as when the last key of a map is taken out of a file and
 * `{}` is left. For us null is the same as nothing; the API server must be told, or the change is refused.
 */
function fieldSchema(field: Schema<unknown>, path: string, conversion: Conversion): OpenApi {
  const made = visit(field, path, conversion);
  return canBeEmpty(field.node) && !field.secret && !('default' in made) ? { ...made, nullable: true } : made;
}

function canBeEmpty(node: Node): boolean {
  if (node.type === 'choice') return node.options.some((option) => canBeEmpty(option.node));
  if (node.type === 'list') return node.single;
  if (node.type !== 'object') return node.type === 'map';
  return Object.values(node.fields).every((field) => isOptional(field) || hasDefault(field));
}

/** Words and booleans become one list of words; forms of text one text; anything else is left open. */
function choiceSchema(options: readonly Schema<unknown>[], path: string, conversion: Conversion): OpenApi {
  const made = options.map((option) => visitNode(option.node, path, conversion));
  if (made.every(({ type, enum: words }) => type === 'boolean' || words !== undefined)) {
    const words = made.flatMap((option) => option.enum ?? [true, false]);
    return { ...ANYTHING, enum: [...new Set(words)] };
  }
  if (made.every(({ type }) => type === 'string')) return { type: 'string', ...patternOf(made) };
  const open = made.find(({ properties }) => properties !== undefined);
  return { ...ANYTHING, ...(open?.properties === undefined ? {} : { properties: open.properties }) };
}

/** One pattern for several forms of text; nothing when one of them takes any text. */
function patternOf(forms: readonly OpenApi[]): OpenApi {
  const parts = forms.map(({ enum: words, pattern }) =>
    words === undefined ? pattern : `^(${words.join('|')})$`,
  );
  return parts.includes(undefined) ? {} : { pattern: parts.join('|') };
}

/** What the types of Kubernetes do not say, in words. */
function hintOf(node: Node): string {
  switch (node.type) {
    case 'string':
      return node.format === undefined ? '' : `Must be ${node.format.says}.`;
    case 'duration':
      return 'A duration such as 30s, 5m, 12h or 1h30m.';
    case 'list':
      return node.single ? `One value, or ${listText(node.item)}.` : '';
    case 'map':
      return node.value.node.type === 'list' && node.value.node.single
        ? 'Each value is one value, or a list.'
        : '';
    case 'choice':
      return `Must be ${node.options.map(describeType).join(' or ')}.`;
    case 'enum':
    case 'boolean':
    case 'integer':
    case 'timestamp':
    case 'object':
    case 'json':
      return '';
  }
}

function listText(item: Schema<unknown>): string {
  return item.node.type === 'enum' ? `a list of: ${item.node.values.join(', ')}` : 'a list';
}
