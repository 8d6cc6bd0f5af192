// docs/reference/api.md: every call of the auth API with what it takes and who may make it, from the list that the
// server mounts.
import type { RouteAccess } from '#auth/guard/access.ts';
import { MEMBER_READS, OPERATOR_WRITES } from '#auth/guard/host-access.ts';
import { openKubernetesReviews } from '#auth/joining/kubernetes/open.ts';
import { silentLog } from '#core/log.ts';
import { routesOf } from '#auth/routes/all.ts';
import {
  AUTH_PROTOCOL,
  CONNECT_PATH,
  UPGRADE_TO_AUTH,
  UPGRADE_TO_SSH,
  webFind,
  webPing,
} from '#core/api/web.ts';
import { systemClock } from '#core/clock.ts';
import { describeType } from '#core/schema/check.ts';
import { isOptional, hasDefault, type Schema } from '#core/schema/schema.ts';
import { KINDS } from '#kinds/all.ts';
import { generatedFrom, type Page, table } from './page.ts';

export const apiPage: Page = {
  path: 'docs/reference/api.md',
  render: () => {
    const routes = routesOf({
      staticTokens: [],
      kubernetes: openKubernetesReviews({ clock: systemClock, log: silentLog }),
      clock: systemClock,
    }).toSorted((a, b) =>
      `${a.endpoint.path} ${a.endpoint.method}` < `${b.endpoint.path} ${b.endpoint.method}` ? -1 : 1,
    );
    const calls = routes.map(({ endpoint, access }) => [
      `\`${endpoint.method} ${endpoint.path}\``,
      endpoint.says,
      fieldsOf(endpoint.request),
      whoMay(access),
    ]);
    const reads = Object.entries(MEMBER_READS).map(([kind, { hosts, users, why }]) => [
      `\`${kind}\``,
      hosts === 'any' ? 'every host' : hosts.join(', '),
      users ? 'yes, unless a role denies it' : 'by role',
      why,
    ]);
    const operated = Object.entries(OPERATOR_WRITES).map(([kind, why]) => [`\`${kind}\``, why]);
    return `${generatedFrom('auth/routes/all.ts')}

# The auth API

HTTPS with JSON on port 3025. Callers are known by their client certificate; a certificate that is not good is answered
with 401, also on calls that need none. GET takes its fields as a query, POST and PUT as a JSON body. Every failure has the
form \`{"code", "message", "remedy", "details"}\` with a code of [errors.md](errors.md).

${table(['Call', 'What it does', 'Fields', 'Who may'], calls)}

## The web port of a proxy

The same calls work at the web port of a proxy (3080): TLS with the protocol (ALPN) \`${AUTH_PROTOCOL}\` is passed on to the auth
service unread, so pins and client certificates hold from end to end. Besides, the proxy itself answers over HTTPS, to everybody:

${table(['Call', 'What it does'], WEB_CALLS)}

## What members may read without a role that says so

${table(['Kind', 'Hosts', 'Users', 'Why'], reads)}

## What operators may write

Hosts that joined in the role operator keep these kinds as custom resources say. They write only under the mark of an owner, and
never what has another one.

${table(['Kind', 'Why'], operated)}
`;
  },
};

const WEB_CALLS = [
  ...[webPing, webFind].map(({ method, path, says }) => [`\`${method} ${path}\``, says]),
  [
    `\`GET ${CONNECT_PATH}\``,
    `With \`Upgrade: ${UPGRADE_TO_SSH}\` or \`Upgrade: ${UPGRADE_TO_AUTH}\`: a raw stream, for where a balancer ends TLS.`,
  ],
  ['`GET /healthz`, `GET /readyz`', 'For balancers: the proxy is alive; it can serve.'],
];

const LOCAL_ADMIN = 'the local admin of the auth host';
const INTERNAL = new Set(KINDS.filter((kind) => kind.audience === 'internal').map((kind) => kind.name));

function fieldsOf(schema: Schema<unknown>): string {
  if (schema.node.type !== 'object') return '';
  return Object.entries(schema.node.fields)
    .map(([name, field]) => {
      const isNeeded = !isOptional(field) && !hasDefault(field);
      return `\`${name}\`${isNeeded ? '' : '?'}: ${describeType(field)}`;
    })
    .join('; ');
}

function whoMay(access: RouteAccess): string {
  switch (access.to) {
    case 'anyone':
      return `anyone: ${access.why}`;
    case 'members':
      return 'every member of the cluster; the call decides more';
    case 'user':
      return 'a user, about itself';
    case 'host':
      return `hosts${access.roles.length === 0 ? '' : ` (${access.roles.join(', ')})`}, about themselves`;
    case 'local-admin':
      return LOCAL_ADMIN;
    case 'resource':
      if (INTERNAL.has(access.kind)) return LOCAL_ADMIN;
      return `${access.verbs.join(', ')} on \`${access.kind}\``;
    case 'each-resource':
      return 'decided for each resource it touches';
  }
}
