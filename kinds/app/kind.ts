// An application that agents may serve: a web page inside, or a console of AWS.
import { parseHeader, publicAddrComplaint } from '#core/app-rewrite.ts';
import { awsPartitionOf } from '#core/aws/partitions.ts';
import { awsSettingProblems } from '#core/aws/settings.ts';
import { defineKind, type Reader } from '#core/kind.ts';
import type { Resource } from '#core/resource.ts';
import type { Problem } from '#core/schema/check.ts';
import * as s from '#core/schema/schema.ts';
import { appNameComplaint, parseAppUri } from '#core/target-address.ts';
import { commandLabels, formatLabels, labelsWith } from '../command-labels.ts';

const words = (max: number, maxLength: number, description = '') =>
  s.optional(s.list(s.string({ minLength: 1, maxLength }), { single: true, max, description }));

const header = s.choice([
  s.object({
    name: s.string({ minLength: 1, maxLength: 256 }),
    value: s.string({ maxLength: 8192, description: 'May have {{variables}} of the person.' }),
  }),
  s.string({ minLength: 1, maxLength: 8450 }),
]);

const rewrite = s.object({
  redirect: words(64, 253, 'Hosts in redirects that are replaced by the public address.'),
  headers: s.optional(
    s.list(header, { max: 64, description: 'Set in each request; a name and a value, or "Name: value".' }),
  ),
  jwt_claims: s.optional(
    s.enumOf(['roles-and-traits', 'roles', 'traits', 'none'], {
      description: 'What the token of a request says of the person. Default: roles-and-traits.',
    }),
  ),
});

const cors = s.object({
  allowed_origins: words(64, 512),
  allowed_methods: words(16, 32),
  allowed_headers: words(64, 256),
  exposed_headers: words(64, 256),
  allow_credentials: s.optional(s.boolean()),
  max_age: s.optional(s.integer({ max: 86_400, description: 'Seconds.' })),
});

const aws = s.object({
  external_id: s.optional(s.string({ maxLength: 1224, description: 'Said when roles are taken.' })),
  oidc: s.optional(
    s.boolean({ description: 'Roles are taken by a token of the cluster, not by the agent. Default: no.' }),
  ),
  direct_credentials: s.optional(
    s.boolean({
      description:
        'Programs may get temporary credentials of the role (gate aws credential-process). Default: no.',
    }),
  ),
});

const spec = s.object({
  uri: s.string({ minLength: 1, maxLength: 2048, description: 'http(s) URL, as the agent reaches it.' }),
  public_addr: s.optional(
    s.string({ maxLength: 253, description: 'Host name for browsers. Default: <name>.<proxy>.' }),
  ),
  insecure_skip_verify: s.optional(s.boolean({ description: 'Its certificate is not checked.' })),
  rewrite: s.optional(rewrite),
  cors: s.optional(cors),
  aws: s.optional(aws),
  dynamic_labels: commandLabels,
});

export type AppSpec = s.Infer<typeof spec>;

export const appKind = defineKind<AppSpec>({
  name: 'app',
  aliases: ['application', 'applications'],
  description: 'An application that agents of the role app may serve.',
  versions: ['v3'],
  spec,
  columns: [
    { title: 'Application', value: (app) => app.metadata.name },
    { title: 'URI', value: (app) => app.spec.uri },
    { title: 'Public Address', value: (app) => app.spec.public_addr ?? '' },
    { title: 'Labels', value: (app) => formatLabels(appLabels(app)) },
  ],
  check,
  checkWrite,
});

/** Static labels and the last results of command labels; a command wins over a static label of the same name. */
export function appLabels(app: Pick<Resource<AppSpec>, 'metadata' | 'spec'>): Record<string, string> {
  return labelsWith(app.metadata.labels, app.spec.dynamic_labels);
}

/** Whether it is a console of AWS, so that people take a role of AWS there. */
export function isAwsApp({ uri }: Pick<AppSpec, 'uri'>): boolean {
  return awsPartitionOf(uri) !== undefined;
}

function check({ metadata, spec: app }: Resource<AppSpec>): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse = (message: string | undefined, ...path: (string | number)[]): void => {
    if (message !== undefined) problems.push({ path, message });
  };
  refuse(appNameComplaint(metadata.name), 'metadata', 'name');
  const url = parseAppUri(app.uri);
  if (typeof url === 'string') refuse(url, 'spec', 'uri');
  if (app.public_addr) refuse(publicAddrComplaint(app.public_addr), 'spec', 'public_addr');
  (app.rewrite?.headers ?? []).forEach((entry, index) => {
    const header = parseHeader(entry);
    if (typeof header === 'string') refuse(header, 'spec', 'rewrite', 'headers', index);
  });
  const { external_id } = app.aws ?? {};
  for (const { message } of awsSettingProblems({ external_id })) {
    refuse(message, 'spec', 'aws', 'external_id');
  }
  return problems;
}

/** Browsers find one application at an address. */
function checkWrite({ metadata, spec }: Resource<AppSpec>, reader: Reader): Problem[] {
  const address = spec.public_addr;
  if (!address) return [];
  for (const other of reader.list('app')) {
    const isAt = (other.spec as AppSpec).public_addr === address;
    if (!isAt || other.metadata.name === metadata.name) continue;
    const message = `is the public address of app/${other.metadata.name} already`;
    return [{ path: ['spec', 'public_addr'], message }];
  }
  return [];
}
