// Renders the charts as people do, with helm itself, and reads what comes out as Kubernetes would. For the tests of this
// folder.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';
import { kubePrograms, run } from '#test/kit/kube-programs.ts';

export const CHARTS = ['gatehouse-kube-agent', 'gatehouse-operator', 'gatehouse-cluster'] as const;
export type Chart = (typeof CHARTS)[number];
export type Values = Readonly<Record<string, unknown>>;

/** An object as Kubernetes would take it; `any` depth, since tests look everywhere. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export interface RenderSetup {
  readonly release?: string;
  readonly namespace?: string;
}

/** Helm's own default is the version it was built with, which a build from modules does not know. */
const KUBE_VERSION = '1.34.0';

export const chartPath = (chart: Chart, file = ''): string =>
  fileURLToPath(new URL(`../../../charts/${chart}/${file}`, import.meta.url));

export const readChart = (chart: Chart, file: string): string => readFileSync(chartPath(chart, file), 'utf8');

/** What the chart does when nobody says anything. */
export const defaultValues = (chart: Chart): Values => parse(readChart(chart, 'values.yaml')) as Values;

/** The text of `helm template`; rejects with helm's message. Values are JSON, or YAML as a person wrote it. */
export async function renderText(
  chart: Chart,
  values: Values | string,
  { release = 'agent', namespace = 'apps' }: RenderSetup = {},
): Promise<string> {
  return await helm(
    ['template', release, chartPath(chart), '-n', namespace, '--kube-version', KUBE_VERSION, '-f', '-'],
    typeof values === 'string' ? values : JSON.stringify(values),
  );
}

/** The objects of the chart. */
export async function render(
  chart: Chart,
  values: Values | string,
  setup: RenderSetup = {},
): Promise<readonly Rendered[]> {
  return objectsOf(await renderText(chart, values, setup));
}

/** Reads YAML 1.1, as Kubernetes does: there, `off` is no text. */
export function objectsOf(text: string): readonly Rendered[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document) => {
    if (document.errors.length > 0) throw new Error(`${document.errors.join('\n')}\nin\n${text}`);
    const value = document.toJS() as Rendered | null;
    return value === null ? [] : [value];
  });
}

/** The one object of a kind; fails when there are none or several. */
export function only(objects: readonly Rendered[], kind: string): Rendered {
  const [found, ...others] = objects.filter((object) => object.kind === kind);
  if (found === undefined || others.length > 0) throw new Error(`there is not one ${kind}`);
  return found;
}

/** What `path` leads to, through maps and lists; undefined when it leads nowhere. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>(
    (from, key) => (from as Record<string | number, unknown> | undefined)?.[key],
    value,
  );
}

/** Found once per file: each look is a script. */
const found = new Map<string, Promise<string>>();

function helmProgram(): Promise<string> {
  const folder = found.get('helm') ?? kubePrograms('helm');
  found.set('helm', folder);
  return folder;
}

/** Runs helm without a cluster and without what the machine's user may have set up. */
export async function helm(args: readonly string[], stdin = ''): Promise<string> {
  const bin = await helmProgram();
  return await run(`${bin}/helm`, args, { stdin, env: { KUBECONFIG: '/dev/null' } });
}

/** The message of a refusal, without helm's frame. */
export async function refusal(chart: Chart, values: Values | string): Promise<string> {
  return await renderText(chart, values).then(
    () => {
      throw new Error('helm refused nothing');
    },
    (error: Error) => error.message.replace(/^[^\n]* ended with 1: /, '').trim(),
  );
}
