// Subject alternative names (RFC 5280 4.2.1.6): what may be in them, their DER, and reading it back. The same rules
// hold in both directions.
import { formatIp, parseIp } from '../ip-address.ts';
import type { Refuse } from '../refusal.ts';
import { derContext, derSequence } from './der.ts';
import { DerReader } from './der-reader.ts';

export interface AlternativeNames {
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly uris: readonly string[];
  readonly emails: readonly string[];
}

export const NO_ALTERNATIVE_NAMES: AlternativeNames = { dnsNames: [], ipAddresses: [], uris: [], emails: [] };

const MAX_NAMES = 512;
const MAX_URI_LENGTH = 2048;
const DNS_NAME =
  /^(\*\.)?([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-[\]_a-z~]+$/;
const EMAIL = /^[!#-'*+\-/-9=?A-Z^-~.]{1,64}@[A-Za-z0-9.-]{1,253}$/;
const EMAIL_TAG = 0x81;
const DNS_TAG = 0x82;
const URI_TAG = 0x86;
const IP_TAG = 0x87;

/** The extension value. Throws `alternative-name`. */
export function derAlternativeNames(names: AlternativeNames, refuse: Refuse): Uint8Array {
  const parts = [
    ...names.dnsNames.map((name) => textName(DNS_TAG, requireDnsName(name, refuse))),
    ...names.ipAddresses.map((text) => derContext(IP_TAG & 0x1f, false, requireIp(text, refuse))),
    ...names.uris.map((uri) => textName(URI_TAG, requireUri(uri, refuse))),
    ...names.emails.map((email) => textName(EMAIL_TAG, requireEmail(email, refuse))),
  ];
  if (parts.length > MAX_NAMES) throw refuse('alternative-name', `more than ${MAX_NAMES} alternative names`);
  return derSequence(...parts);
}

/** Reads the extension value; other types of names than the four are refused. */
export function readAlternativeNames(value: Uint8Array, refuse: Refuse): AlternativeNames {
  const outer = new DerReader(value, refuse);
  const list = outer.sequence('the alternative names');
  outer.end('the alternative names');
  const names = {
    dnsNames: [] as string[],
    ipAddresses: [] as string[],
    uris: [] as string[],
    emails: [] as string[],
  };
  for (let count = 0; !list.isDone; count++) {
    if (count === MAX_NAMES) throw refuse('alternative-name', `more than ${MAX_NAMES} alternative names`);
    const { tag, content } = list.any('an alternative name');
    const text = Buffer.from(content).toString('latin1');
    if (tag === DNS_TAG) names.dnsNames.push(requireDnsName(text, refuse));
    else if (tag === IP_TAG && (content.length === 4 || content.length === 16))
      names.ipAddresses.push(formatIp(content));
    else if (tag === URI_TAG) names.uris.push(requireUri(text, refuse));
    else if (tag === EMAIL_TAG) names.emails.push(requireEmail(text, refuse));
    else
      throw refuse(
        'alternative-name',
        'an alternative name must be a DNS name, an IP, a URI or an e-mail address',
      );
  }
  return names;
}

function textName(tag: number, text: string): Uint8Array {
  return derContext(tag & 0x1f, false, Buffer.from(text, 'latin1'));
}

function requireDnsName(name: string, refuse: Refuse): string {
  if (name.length <= 253 && DNS_NAME.test(name)) return name;
  throw refuse(
    'alternative-name',
    'a DNS name must be of letters, digits, - and _; * only as the whole first label',
  );
}

function requireIp(text: string, refuse: Refuse): Uint8Array {
  const bytes = parseIp(text);
  if (bytes !== undefined) return bytes;
  throw refuse('alternative-name', 'an IP address must be plain IPv4 or IPv6, without prefix or zone');
}

function requireUri(uri: string, refuse: Refuse): string {
  if (uri.length <= MAX_URI_LENGTH && URI.test(uri)) return uri;
  throw refuse('alternative-name', `a URI must have a scheme and at most ${MAX_URI_LENGTH} ASCII characters`);
}

function requireEmail(email: string, refuse: Refuse): string {
  if (EMAIL.test(email)) return email;
  throw refuse('alternative-name', 'an e-mail address must be of ASCII, as user@domain');
}
