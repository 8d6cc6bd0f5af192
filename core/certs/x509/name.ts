// Distinguished names. Strict on purpose: one attribute per set, UTF8String or PrintableString (IA5String is read),
// printable text only, so that "a.com\0.evil.com" and look-alikes never come in.
import { refuseInput, type Refuse } from '../refusal.ts';
import { decodeUtf8, requirePrintable } from '../text-rules.ts';
import { der, derSequence, derString, TAG } from './der.ts';
import { DerReader } from './der-reader.ts';
import { derOid, OID } from './oid.ts';

export interface DistinguishedName {
  readonly commonName?: string;
  readonly country?: string;
  readonly province?: string;
  readonly locality?: string;
  readonly organization?: readonly string[];
  readonly organizationalUnit?: readonly string[];
  readonly serialNumber?: string;
}

export interface ParsedName extends DistinguishedName {
  /** The exact bytes; names are compared by these. */
  readonly der: Uint8Array;
  /** Attributes of other types, as OID and text. */
  readonly other: readonly { readonly oid: string; readonly value: string }[];
}

/** RFC 5280 asks for 64 characters; user and role names may be longer, and nobody who reads our names minds. */
const MAX_VALUE_BYTES = 256;
const MAX_ATTRIBUTES = 64;
const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]+$/;

/** Attributes in the customary order. */
const ATTRIBUTES = [
  ['country', OID.country, derOid(OID.country)],
  ['province', OID.province, derOid(OID.province)],
  ['locality', OID.locality, derOid(OID.locality)],
  ['organization', OID.organization, derOid(OID.organization)],
  ['organizationalUnit', OID.organizationalUnit, derOid(OID.organizationalUnit)],
  ['commonName', OID.commonName, derOid(OID.commonName)],
  ['serialNumber', OID.serialNumber, derOid(OID.serialNumber)],
] as const;

/** The DER of a name; an empty one is an empty sequence. Throws BAD_REQUEST with reason `name`. */
export function derName(name: DistinguishedName): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [field, oid, oidDer] of ATTRIBUTES) {
    const value = name[field];
    if (value === undefined) continue;
    for (const text of typeof value === 'string' ? [value] : value) {
      requirePrintable(text, field, MAX_VALUE_BYTES, 'name', refuseInput);
      parts.push(der(TAG.set, derSequence(oidDer, derString(stringTag(oid, text), text))));
    }
  }
  if (parts.length > MAX_ATTRIBUTES)
    throw refuseInput('name', `a name has at most ${MAX_ATTRIBUTES} attributes`);
  return derSequence(...parts);
}

/** Reads a name; `name` or `malformed` when it breaks a rule. */
export function readName(reader: DerReader, refuse: Refuse): ParsedName {
  const { whole, content } = reader.element(TAG.sequence, 'a name');
  const list = new DerReader(content, refuse);
  const values = new Map<string, string[]>();
  const other: { oid: string; value: string }[] = [];
  for (let count = 0; !list.isDone; count++) {
    if (count === MAX_ATTRIBUTES) throw refuse('name', `a name has at most ${MAX_ATTRIBUTES} attributes`);
    const { oid, value } = readAttribute(list, refuse);
    const field = ATTRIBUTES.find((attribute) => attribute[1] === oid)?.[0];
    if (field === undefined) other.push({ oid, value });
    else values.set(field, [...(values.get(field) ?? []), value]);
  }
  return { der: whole, other, ...fieldsOf(values, refuse) };
}

function readAttribute(list: DerReader, refuse: Refuse): { oid: string; value: string } {
  const set = list.inside(TAG.set, 'a part of a name');
  const attribute = set.sequence('an attribute of a name');
  set.end('a part of a name');
  const oid = attribute.oid('the type of a name attribute');
  const { tag, content } = attribute.any('the value of a name attribute');
  attribute.end('an attribute of a name');
  const value = decodeUtf8(content, 'a name attribute', refuse);
  const isFitting =
    tag === TAG.utf8String ||
    (tag === TAG.printableString && PRINTABLE.test(value)) ||
    (tag === TAG.ia5String && value.length === content.length);
  if (!isFitting) throw refuse('name', 'a name must be in UTF8String, PrintableString or IA5String');
  requirePrintable(value, 'a name attribute', MAX_VALUE_BYTES, 'name', refuse);
  return { oid, value };
}

function fieldsOf(values: ReadonlyMap<string, readonly string[]>, refuse: Refuse): DistinguishedName {
  const fields: Record<string, string | readonly string[]> = {};
  for (const [field, list] of values) {
    if (field === 'organization' || field === 'organizationalUnit') fields[field] = list;
    else if (list.length === 1) fields[field] = list[0] ?? '';
    else throw refuse('name', `${field} is in the name more than once`);
  }
  return fields;
}

/** RFC 5280 wants country and serialNumber as PrintableString, and UTF8String is right for all else. */
function stringTag(oid: string, text: string): number {
  if (oid !== OID.country && oid !== OID.serialNumber) return TAG.utf8String;
  if (!PRINTABLE.test(text) || (oid === OID.country && !/^[A-Z]{2}$/.test(text))) {
    throw refuseInput('name', 'country must be two capitals, and a serial number plain letters and digits');
  }
  return TAG.printableString;
}
