// What an application's document may set in requests and where it may be reached, as the kind and the config file write it.
// Apart from the kind because the config file has the same fields.

export interface Header {
  readonly name: string;
  readonly value: string;
}

/** A name with two labels at least: anything shorter could not be told from a name of the machine. */
const PUBLIC_ADDR =
  /^(?=.{3,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])$/;
/** These say where a message ends, which is told by whoever sends it. */
const FRAMING_NAMES: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const HEADER_VALUE = /^[^\u0000-\u0008\u000a-\u001f\u007f]*$/;

/** What is wrong with a public address; undefined when browsers can reach an application by it. */
export function publicAddrComplaint(address: string): string | undefined {
  if (PUBLIC_ADDR.test(address)) return undefined;
  return 'must be a host name in small letters without a port, such as grafana.example.com';
}

/** The name and value of a header, given either as both or as "Name: value". A text says what it must be instead. */
export function parseHeader(entry: string | Header): Header | string {
  const colon = typeof entry === 'string' ? entry.indexOf(':') : -1;
  const found =
    typeof entry === 'string'
      ? { name: entry.slice(0, Math.max(colon, 0)).trim(), value: entry.slice(colon + 1).trim() }
      : entry;
  if (!HEADER_NAME.test(found.name)) return 'must be a name and a value, such as "X-Team: {{external.team}}"';
  if (FRAMING_NAMES.has(found.name.toLowerCase())) return `must not be ${found.name}, which no setting knows`;
  return HEADER_VALUE.test(found.value) ? found : 'must have a value without line breaks';
}
