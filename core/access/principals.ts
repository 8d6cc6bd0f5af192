// Which texts may name an account on a target. A value that fails here never reaches a certificate, a session or a
// command line, wherever it came from; the rule is stricter for those that become SSH principals and file names.
import { WILDCARD } from './pattern.ts';
import type { PrincipalField } from './role.ts';

/** What is wrong with the text, or undefined. */
type Rule = (text: string) => string | undefined;

const LOGIN = /^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,127}\$?$/;
const GROUP = /^[A-Za-z0-9_][A-Za-z0-9_. @+-]{0,127}$/;
/** The documents write shortened and placeholder account numbers; such a role names nothing, and harms nothing. */
const AWS_ROLE = /^arn:aws(?:-cn|-us-gov|-iso|-iso-b)?:iam::\w{1,32}:role\/[\w+=,.@/-]{1,512}$/;
// Control, format (bidi, zero width), private use, surrogates, line and paragraph separators.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/u;

const login: Rule = (text) =>
  LOGIN.test(text)
    ? undefined
    : 'must be a login of ASCII letters, digits and _ . @ + - that starts with a letter, digit or _';

const group: Rule = (text) =>
  GROUP.test(text) ? undefined : 'must be a group name of ASCII letters and digits';

function printable(what: string, max: number): Rule {
  return (text) => {
    if (text.length === 0 || text.length > max) return `must be ${what} of 1 to ${max} characters`;
    if (UNPRINTABLE.test(text)) return `must be ${what} without control or invisible characters`;
    return text.trim() === text ? undefined : `must be ${what} without space at either end`;
  };
}

const awsRole: Rule = (text) => {
  if (text.includes(WILDCARD)) return 'must be one role, without wildcards: list each role ARN';
  return AWS_ROLE.test(text) ? undefined : 'must be a role ARN such as arn:aws:iam::123456789012:role/Name';
};

const RULES: Readonly<Record<PrincipalField, Rule>> = {
  logins: login,
  windows_desktop_logins: printable('a Windows login', 256),
  db_users: printable('a database user', 256),
  db_names: printable('a database name', 256),
  db_roles: printable('a database role', 256),
  aws_role_arns: awsRole,
  azure_identities: printable('an Azure identity', 1024),
  gcp_service_accounts: printable('a service account', 256),
  kubernetes_users: printable('a Kubernetes user', 1024),
  kubernetes_groups: printable('a Kubernetes group', 1024),
  host_groups: group,
  host_sudoers: printable('a sudoers entry', 4096),
  desktop_groups: printable('a Windows group', 256),
};

/** Fields in which `*` alone means every name, on the allow side. Anywhere else it must be spelled out. */
const WILDCARD_ALLOWED: ReadonlySet<PrincipalField> = new Set([
  'db_users',
  'db_names',
  'azure_identities',
  'gcp_service_accounts',
]);

/** Why `text` may not stand in `field` (a sentence that starts with "must"), or undefined when it may. */
export function principalProblem(
  field: PrincipalField,
  text: string,
  side: 'allow' | 'deny',
): string | undefined {
  if (text === WILDCARD && (side === 'deny' || WILDCARD_ALLOWED.has(field))) return undefined;
  if (text === WILDCARD) return `must not be "*": ${field} must be listed one by one`;
  return RULES[field](text);
}
