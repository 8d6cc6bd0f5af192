// What a database or an application may be called, where it is, as admins write it, and which places are never one. In core because the kinds and
// the config file take the same text. Names are judged again by what they resolve to, at the dial.
import { addressClass } from './address-class.ts';

/** Names of databases stand in URLs, file names and certificates. */
const DATABASE_NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/;
/** Names of applications are the first label of a host name. */
const APP_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** What is wrong with the name of a database, to complete "the name ..."; undefined when it can be one. */
export function databaseNameComplaint(name: string): string | undefined {
  if (DATABASE_NAME.test(name)) return undefined;
  return 'must be 1 to 128 letters, digits and . _ -, with a letter or digit at both ends';
}

/** The same for an application. */
export function appNameComplaint(name: string): string | undefined {
  if (APP_NAME.test(name)) return undefined;
  return 'must be a label of a host name: 1 to 63 small letters, digits and -, with no - at either end';
}

export interface TargetAddress {
  /** A name in lower case or an IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

const MAX_LENGTH = 2048;
const HOST_PORT = /^(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?):(\d{1,5})$/;
/** Where clouds hand out credentials to whoever asks from inside. */
const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.goog',
  'metadata.google.internal',
  'metadata.azure.internal',
  'instance-data',
  'instance-data.ec2.internal',
]);

/** Reads `host:port`. A text that is no address gives what it must be instead, to complete "the uri ...". */
export function parseDatabaseUri(uri: string): TargetAddress | string {
  const [, host, digits] = HOST_PORT.exec(uri) ?? [];
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) {
    return 'must be host:port, such as db.example.com:5432 or [2001:db8::5]:5432';
  }
  const url = URL.parse(`http://${host}:${port}/`);
  if (url === null) return 'must name a host';
  return complaintOf(url.hostname) ?? { host: bare(url.hostname), port };
}

/** Reads the http or https URL of an application; as parseDatabaseUri for anything else. */
export function parseAppUri(uri: string): URL | string {
  const url = uri.length > MAX_LENGTH || uri.trim() !== uri ? null : URL.parse(uri);
  if (url === null) return 'must be a URL such as http://localhost:8080';
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    return 'must begin with http:// or https://; other protocols are not part of this release';
  }
  if (url.username !== '' || url.password !== '') {
    return 'must not hold a user or a password: everybody who sees the application would read them';
  }
  if (url.hash !== '') return 'must have no part after #';
  return complaintOf(url.hostname) ?? url;
}

/** Why nothing is dialed at a host of this name or address, to complete "the host ..."; undefined when it may be tried. */
export function hostComplaint(host: string): string | undefined {
  const name = bare(host).toLowerCase().replace(/\.$/, '');
  if (METADATA_NAMES.has(name) || addressClass(name) === 'never') {
    return 'must not be a metadata service, a link-local or a reserved address';
  }
  return undefined;
}

/** `hostname` of a URL: numbers in any notation are plain addresses by now. */
function complaintOf(hostname: string): string | undefined {
  return hostname === '' ? 'must name a host' : hostComplaint(hostname);
}

const bare = (host: string): string => (host.startsWith('[') ? host.slice(1, -1) : host);
