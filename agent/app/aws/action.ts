// What a request does, for the audit log: the name AWS gives the call, where the protocol says it, else nothing (method and
// path say it for S3 and REST). Which of several names counts is the service's matter, so whoever says several is on record
// with all of them. Reads along; never holds a body back.
import { headerOf, splitTarget, type AwsRequest } from '#core/aws/canonical.ts';

const NAME = /^[A-Za-z0-9_.#/-]{1,128}$/;
const MAX_PARAMETER = 1024;
const MAX_NAMES = 8;

export interface ActionReader {
  /** The next bytes of the body, as the person sent them. */
  push(piece: Uint8Array): void;
  /** Undefined when nothing said so far names a call; different names are joined by commas. */
  readonly action: string | undefined;
}

/** `service` is that of the host. */
export function openActionReader(request: AwsRequest, service: string): ActionReader {
  const { path, query } = splitTarget(request.target);
  const names = service.startsWith('s3') ? [] : namesInHead(request, service, path, query);
  const form = hasForm(request, service, path) ? new FormActions() : undefined;
  // Whatever the head says: what decides is in a body that cannot be read.
  const isHidden = form !== undefined && headerOf(request.headers, 'content-encoding') !== undefined;
  return {
    push: (piece) => form?.push(piece),
    get action() {
      const all = new Set([...names, ...(form?.actions ?? [])].filter((name) => NAME.test(name)));
      return isHidden || all.size === 0 ? undefined : [...all].slice(0, MAX_NAMES).join(',');
    },
  };
}

function namesInHead(request: AwsRequest, service: string, path: string, query: string): readonly string[] {
  const rpc = /^\/service\/[^/]{1,128}\/operation\/([^/]{1,128})$/.exec(path)?.[1];
  if (rpc !== undefined) return [rpc];
  // Elsewhere these are no protocol's, and would give a call of a REST service a name that it has not.
  if (path !== '/' && service !== 'sqs') return [];
  const target = headerOf(request.headers, 'x-amz-target');
  const named = new URLSearchParams(query).getAll('Action');
  return target === undefined ? named : [target.slice(target.lastIndexOf('.') + 1), ...named];
}

function hasForm({ headers }: AwsRequest, service: string, path: string): boolean {
  const type = (headerOf(headers, 'content-type') ?? '').toLowerCase();
  if (service.startsWith('s3') || /^application\/(?:x-amz-json|json|cbor)/.test(type)) return false;
  return path === '/' || type.startsWith('application/x-www-form-urlencoded');
}

/** The `Action` of a form such as `Action=DescribeInstances&Version=…`, wherever it stands, in constant memory. */
class FormActions {
  readonly #found: string[] = [];
  /** Of the parameter that is being read. */
  #rest = '';

  push(piece: Uint8Array): void {
    const text = Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1');
    const parts = `${this.#rest}${text}`.split('&');
    this.#rest = (parts.pop() ?? '').slice(0, MAX_PARAMETER);
    for (const part of parts) if (this.#found.length < MAX_NAMES) this.#found.push(...actionsIn(part));
  }

  get actions(): readonly string[] {
    return [...this.#found, ...actionsIn(this.#rest)];
  }
}

function actionsIn(parameter: string): readonly string[] {
  const key = parameter.slice(0, Math.max(parameter.indexOf('='), 0));
  const isIt = key === 'Action' || (key.length <= 18 && key.includes('%'));
  return isIt ? new URLSearchParams(parameter.slice(0, MAX_PARAMETER)).getAll('Action') : [];
}
