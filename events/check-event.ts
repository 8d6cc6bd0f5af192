// Checks events that come from outside auth (agents relay theirs over the API) against the catalogue, at run time.
// Events emitted inside auth are checked by the compiler and do not pass here.
import { GatehouseError } from '#core/errors/error.ts';
import { CATALOGUE, isEventType, type EventInput } from './catalogue.ts';
import { FIELDS, type EventSpec, type FieldName, type FieldType } from './fields.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const MAX_ENTRIES = 10_000;

const FITS: Readonly<Record<FieldType, (value: unknown) => boolean>> = {
  string: isString,
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  strings: isStrings,
  map: (value) => isRecordOf(value, isString),
  lists: (value) => isRecordOf(value, isStrings),
};

const SHOWN_AS: Readonly<Record<FieldType, string>> = {
  string: 'a string',
  integer: 'a whole number',
  boolean: 'true or false',
  strings: 'a list of strings',
  map: 'an object of strings',
  lists: 'an object of lists of strings',
};

function isString(value: unknown): value is string {
  return typeof value === 'string';
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.length <= MAX_ENTRIES && value.every(isString);
}

function isRecordOf(value: unknown, fits: (item: unknown) => boolean): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const items = Object.values(value);
  return items.length <= MAX_ENTRIES && items.every(fits);
}

/**
 * The event, when its type is known, it has all fields its type requires, and no field is unknown or of another type.
 * BAD_REQUEST names the first wrong field. Which types a caller may send is the caller's own question.
 */
export function parseEventInput(value: unknown): EventInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GatehouseError('BAD_REQUEST', 'an event must be a JSON object');
  }
  const input = value as Record<string, unknown>;
  const type = input['event'];
  if (!isString(type) || !isEventType(type)) {
    throw new GatehouseError(
      'BAD_REQUEST',
      'field "event" is not a known event type; see the event reference',
      {
        details: { field: 'event' },
      },
    );
  }
  const spec: EventSpec = CATALOGUE[type];
  const allowed = new Set<string>([...spec.fields, ...spec.optional]);
  for (const [name, item] of Object.entries(input)) {
    if (name !== 'event' && !checkEmitField(name, item)) checkField(type, name, item, allowed);
  }
  const missing = spec.fields.find((name) => input[name] === undefined);
  if (missing !== undefined)
    throw refusal(type, missing, `is missing; it must be ${SHOWN_AS[FIELDS[missing].type]}`);
  return value as EventInput;
}

function checkField(type: string, name: string, value: unknown, allowed: ReadonlySet<string>): void {
  if (!allowed.has(name)) throw refusal(type, name, 'does not belong to this event type');
  const expected = FIELDS[name as FieldName].type;
  if (value !== undefined && !FITS[expected](value))
    throw refusal(type, name, `must be ${SHOWN_AS[expected]}`);
}

/** True when `name` is one of the fields every event may bring, and `value` fits it. */
function checkEmitField(name: string, value: unknown): boolean {
  if (name !== 'ei' && name !== 'uid' && name !== 'occurred') return false;
  if (value === undefined) return true;
  const fits =
    name === 'ei'
      ? Number.isSafeInteger(value) && (value as number) >= 0
      : isString(value) &&
        (name === 'uid' ? UUID.test(value) : !Number.isNaN(Date.parse(value)) && value.length < 40);
  if (!fits) {
    const wanted = { ei: 'a whole number from 0', uid: 'a UUID in lower case', occurred: 'an RFC 3339 time' }[
      name
    ];
    throw new GatehouseError('BAD_REQUEST', `field "${name}" must be ${wanted}`, {
      details: { field: name },
    });
  }
  return true;
}

function refusal(type: string, name: string, what: string): GatehouseError {
  const field = name.slice(0, 64);
  return new GatehouseError('BAD_REQUEST', `event ${type}: field "${field}" ${what}`, { details: { field } });
}
