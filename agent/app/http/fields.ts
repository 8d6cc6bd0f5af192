// The header lines of a request as the application gets them, and of a reply as the person does. What says who somebody
// is, or where a request comes from, is taken off and written anew here: an application believes these lines (S19). Pure.
import { compileTemplate, isTemplate, type Template } from '#core/access/templates.ts';
import { isCode } from '#core/errors/error.ts';
import type { UserIdentity } from '#core/identity.ts';
import { parseHeader } from '#core/app-rewrite.ts';
import type { AppSpec } from '#kinds/app/kind.ts';
import { makeField, type Field } from '#wire/http1/head.ts';

/** The token that says who uses the application. */
export const ASSERTION = 'gatehouse-jwt-assertion';
const JWT_VARIABLE = '{{internal.jwt}}';
/** Cookies with this beginning are between browsers and the proxy. */
export const OWN_COOKIES = '__Host-gatehouse';

/** Lines that applications take for the word of whoever stands in front of them. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'client-ip',
  'fastly-client-ip',
  'fly-client-ip',
  'forwarded',
  'remote-email',
  'remote-groups',
  'remote-name',
  'remote-user',
  'true-client-ip',
  'via',
  'x-appengine-user-ip',
  'x-authenticated-user',
  'x-azure-clientip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-host',
  'x-http-method-override',
  'x-original-host',
  'x-original-uri',
  'x-original-url',
  'x-originating-ip',
  'x-proxy-user',
  'x-real-ip',
  'x-remote-addr',
  'x-remote-ip',
  'x-remote-user',
  'x-rewrite-url',
  'x-user',
  'x-username',
  'x-webauth-user',
]);
const FORBIDDEN_PREFIX =
  /^(?:cf|gatehouse|mellon|oidc|ssl-client|tailscale|teleport|x-amzn-oidc|x-auth-request|x-authentik|x-client-cert|x-consumer|x-envoy|x-forwarded|x-gatehouse|x-goog-authenticated|x-goog-iap|x-ms-client-principal|x-pomerium|x-ssl-client|x-teleport)(?:-|$)/;

/** What says where a message ends or whose it is: good in the spelling of HTTP alone. */
const ONE_SPELLING: ReadonlySet<string> = new Set([
  'authorization',
  'connection',
  'content-length',
  'content-type',
  'cookie',
  'expect',
  'host',
  'keep-alive',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const PLAIN_NAME = /^[a-z0-9-]*$/;

/** As applications behind CGI and its like read a name: to them `_`, and what else is no letter, is the same as `-`. */
const plainly = (name: string): string => (PLAIN_NAME.test(name) ? name : name.replaceAll(/[^a-z0-9]/g, '-'));

/** Whether a line may not come from a client, whatever is set here. */
export function isForbidden(name: string): boolean {
  const plain = plainly(name);
  if (plain !== name && ONE_SPELLING.has(plain)) return true;
  return FORBIDDEN.has(plain) || FORBIDDEN_PREFIX.test(plain);
}

export interface RequestRules {
  /** Of the target, as its URL has it. */
  readonly host: string;
  /** Set in every request, whatever the client sends: lower-case name, name, and how its values are made. */
  readonly set: readonly HeaderRule[];
}

interface HeaderRule {
  readonly name: string;
  readonly text: string;
  readonly values: (identity: UserIdentity, token: string | undefined) => readonly string[];
}

/** Reads the settings of an application once. Lines with a template that cannot be used are left out, and told. */
export function requestRules(
  app: Pick<AppSpec, 'uri' | 'rewrite'>,
  onBad: (header: string, why: string) => void,
): RequestRules {
  const set: HeaderRule[] = [];
  for (const entry of app.rewrite?.headers ?? []) {
    const header = parseHeader(entry);
    if (typeof header === 'string') continue;
    try {
      set.push({ name: header.name.toLowerCase(), text: header.name, values: valuesOf(header.value) });
    } catch (error) {
      onBad(header.name, isCode(error) ? error.message : 'it cannot be used');
    }
  }
  return { host: new URL(app.uri).host, set };
}

function valuesOf(text: string): HeaderRule['values'] {
  if (text.includes(JWT_VARIABLE)) {
    return (_identity, token) => (token === undefined ? [] : [text.replaceAll(JWT_VARIABLE, token)]);
  }
  if (!isTemplate(text)) return () => [text];
  const template: Template = compileTemplate(text);
  return ({ traits }) => template.expand(traits);
}

export interface Person {
  readonly identity: UserIdentity;
  /** Without a port. */
  readonly address: string;
  /** Host by which browsers know the application. */
  readonly publicAddr: string;
}

/** The lines of ours in each request of a person; `token` is the one for the application, where it could be had. */
export function ownFields(
  rules: RequestRules,
  { identity, address, publicAddr }: Person,
  token: string | undefined,
): readonly Field[] {
  const fields: Field[] = [];
  const names = new Set(rules.set.map(({ name }) => name));
  const add = (text: string, value: string): void => {
    if (!names.has(text.toLowerCase())) fields.push(makeField(text, value));
  };
  add('Host', rules.host);
  add('X-Forwarded-For', address);
  add('X-Forwarded-Proto', 'https');
  if (publicAddr !== '') add('X-Forwarded-Host', publicAddr);
  add('X-Real-IP', address);
  if (token !== undefined) add(ASSERTION, token);
  for (const { text, values } of rules.set) {
    // A trait is somebody's text: what cannot stand in a line is left out.
    for (const value of values(identity, token)) if (isSendable(value)) fields.push(makeField(text, value));
  }
  return fields;
}

const isSendable = (value: string): boolean => /^[\t\x20-\x7e\x80-\xff]{0,8192}$/.test(value);

/** Names that the client may not set because they are set here, also where there is no value for this person. */
export function setNames(own: readonly Field[], { set }: RequestRules): ReadonlySet<string> {
  return new Set([...own, ...set].map(({ name }) => plainly(name)));
}

/** Whether a client's line or trailer goes on; `own` as setNames. */
export const mayPass = (name: string, own: ReadonlySet<string>): boolean =>
  !own.has(plainly(name)) && !isForbidden(name);

/** The client's line as it goes on; undefined when it does not. */
export function clientField(field: Field, own: ReadonlySet<string>): Field | undefined {
  if (!mayPass(field.name, own)) return undefined;
  return field.name === 'cookie' ? withoutOwnCookies(field) : field;
}

function withoutOwnCookies(field: Field): Field | undefined {
  if (!field.value.includes(OWN_COOKIES)) return field;
  const kept = field.value.split(';').filter((cookie) => !cookie.trim().startsWith(OWN_COOKIES));
  return kept.length === 0 ? undefined : { ...field, value: kept.join(';').trim() };
}

/** The lines of a reply: no cookie that is ours to set, no other door, and redirects stay at the public address. */
export function replyFields(fields: readonly Field[], redirectHosts: ReadonlySet<string>): readonly Field[] {
  let isPlain = true;
  for (const { name } of fields)
    if (name === 'location' || name === 'set-cookie' || name === 'alt-svc') isPlain = false;
  if (isPlain) return fields;
  return fields.flatMap((field) => {
    if (field.name === 'alt-svc') return [];
    if (field.name === 'set-cookie') return field.value.trimStart().startsWith(OWN_COOKIES) ? [] : [field];
    return field.name === 'location'
      ? [{ ...field, value: locationOf(field.value, redirectHosts) }]
      : [field];
  });
}

/** A path of the same origin in place of a URL that only the agent can reach. */
function locationOf(value: string, hosts: ReadonlySet<string>): string {
  const url = URL.parse(value);
  if (url === null || !(hosts.has(url.host) || hosts.has(url.hostname))) return value;
  const path = `${url.pathname}${url.search}${url.hash}`;
  // Two slashes would be another host.
  return path.startsWith('//') ? `/.${path}` : path;
}

/** Hosts whose redirects lead through the public address. */
export function redirectHosts({ uri, rewrite }: Pick<AppSpec, 'uri' | 'rewrite'>): ReadonlySet<string> {
  return new Set([new URL(uri).host, ...(rewrite?.redirect ?? []).map((host) => host.toLowerCase())]);
}
