// What holds for every chart: it is sound for helm, has no hooks, is the version of the product, and each of its values
// is described by the schema and the README, and does something.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { KUBE_START_MS, kubePrograms } from '#test/kit/kube-programs.ts';
import { EFFECTS, LEAST, REFUSED, type Effect } from './effects.ts';
import {
  CHARTS,
  chartPath,
  defaultValues,
  helm,
  readChart,
  refusal,
  renderText,
  type Chart,
  type Values,
} from './render.ts';

const PACKAGE = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

beforeAll(async () => void (await kubePrograms('helm')), KUBE_START_MS);

/** `a.b.c` of every value; an empty map or list is one, since its content is the user's. */
function pathsOf(value: unknown, prefix = ''): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || Object.keys(value).length === 0)
    return [prefix];
  return Object.entries(value).flatMap(([key, inner]) =>
    pathsOf(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

/** A copy of `values` with `value` at `path`. */
function put(values: Values, path: string, value: unknown): Values {
  const [key = '', ...rest] = path.split('.');
  if (rest.length === 0) return { ...values, [key]: value };
  return { ...values, [key]: put((values[key] ?? {}) as Values, rest.join('.'), value) };
}

const filesOf = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe.each(CHARTS)('%s', (chart) => {
  test('ok: helm finds nothing to complain about', async () => {
    const said = await helm(['lint', '--strict', chartPath(chart), '-f', '-'], JSON.stringify(LEAST[chart]));
    expect(said).toContain('0 chart(s) failed');
    expect(said).not.toMatch(/\[(WARNING|ERROR)\]/);
  });

  test('ok: it has the version of the product, and Kubernetes as old as we say', () => {
    const about = parse(readChart(chart, 'Chart.yaml')) as Record<string, unknown>;
    expect(about).toMatchObject({ name: chart, version: PACKAGE.version, appVersion: PACKAGE.version });
  });

  test('ok: nothing in it is a hook, and nothing in a value is a template', () => {
    const bad = filesOf(chartPath(chart, 'templates')).filter((file) =>
      /helm\.sh\/hook|\btpl\b|\blookup\b|\brandAlpha|\bgenCA\b|\bnow\b *\}\}/.test(
        readFileSync(file, 'utf8'),
      ),
    );
    expect(bad).toEqual([]);
  });

  test('ok: what comes out is the same every time', async () => {
    expect(await renderText(chart, LEAST[chart])).toBe(await renderText(chart, LEAST[chart]));
  });

  test('ok: each value has a row in the table of effects, and each row a value', () => {
    const values = pathsOf(defaultValues(chart)).sort();
    const rows = [...EFFECTS[chart], ...REFUSED.filter((row) => row.chart === chart)]
      .map(({ path }) => path)
      .sort();
    expect(rows).toEqual(values);
  });

  test('ok: the schema knows the same values as values.yaml', () => {
    const schema = JSON.parse(readChart(chart, 'values.schema.json')) as SchemaNode;
    expect(closedPaths(schema).sort()).toEqual(
      [...new Set(pathsOf(defaultValues(chart)).map((path) => closedPart(schema, path)))].sort(),
    );
  });

  test('ok: the README has a row for each value', () => {
    const readme = readChart(chart, 'README.md');
    const schema = JSON.parse(readChart(chart, 'values.schema.json')) as SchemaNode;
    const missing = closedPaths(schema).filter((path) => !readme.includes(`| \`${path}\` |`));
    expect(missing).toEqual([]);
    const rows = [...readme.matchAll(/^\| `([\w.]+)` \|/gm)].map((match) => match[1] ?? '');
    expect(rows.filter((path) => !closedPaths(schema).includes(path))).toEqual([]);
  });

  test.each(EFFECTS[chart].map((effect) => [effect.path, effect] as const))(
    'ok: %s has an effect',
    async (_, effect) => {
      const [before, after] = bothSides(chart, effect);
      expect(await renderText(chart, after)).not.toBe(await renderedOnce(chart, before));
    },
  );
});

test.each(REFUSED)('refuses: $chart $path', async ({ chart, path, value, says }) => {
  expect(await refusal(chart, put(LEAST[chart], path, value))).toContain(says);
});

/** Most rows compare with the same render. */
const rendered = new Map<string, Promise<string>>();

function renderedOnce(chart: Chart, values: Values): Promise<string> {
  const key = chart + JSON.stringify(values);
  const text = rendered.get(key) ?? renderText(chart, values);
  rendered.set(key, text);
  return text;
}

function bothSides(chart: Chart, effect: Effect): readonly [Values, Values] {
  const before = Object.entries(effect.with ?? {}).reduce(
    (values, [key, value]) => ({ ...values, [key]: value }),
    LEAST[chart],
  );
  return [before, put(before, effect.path, effect.value)];
}

interface SchemaNode {
  readonly additionalProperties?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

/** Paths down to where the schema leaves what is inside to the user. `global` is helm's own. */
function closedPaths(node: SchemaNode, prefix = ''): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, inner]) => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    if (path === 'global') return [];
    return isClosed(inner) && !OWN_SHAPE.has(path) ? closedPaths(inner, path) : [path];
  });
}

const isClosed = (node: SchemaNode): boolean =>
  node.additionalProperties === false && node.properties !== undefined;

/** Maps whose shape the schema knows, and which are one value all the same. */
const OWN_SHAPE: ReadonlySet<string> = new Set(['image']);

/** The part of a path that the schema describes. */
function closedPart(schema: SchemaNode, path: string): string {
  const known = closedPaths(schema);
  return known.find((candidate) => path === candidate || path.startsWith(`${candidate}.`)) ?? path;
}
