// docs/guide/kubernetes.md on a real cluster, command by command, with what each prints. Names of namespaces, the address
// and the port are those of this run; the custom resources are shared by all stories, so its chart leaves them out.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { matches, readSteps, Shell } from '../guides/transcript.ts';
import { type Image, type KubeCluster, useCluster, whyNoCluster } from '#test/kit/kube-cluster.ts';
import { KUBE_START_MS, kubePrograms } from '#test/kit/kube-programs.ts';
import { freeNodePort, READY_MS } from './house.ts';

const ROOT = join(import.meta.dirname, '../../..');
const GUIDE = join(ROOT, 'docs/guide/kubernetes.md');
const NAMESPACES = ['gatehouse-system', 'gatehouse-main', 'gatehouse-agents'];
const TEST_MS = 20 * 60_000;

const whyNot = whyNoCluster();
const suffix = randomBytes(3).toString('hex');
let cluster: KubeCluster;
let image: Image;

beforeAll(async () => {
  if (whyNot !== undefined) return;
  cluster = await useCluster();
  image = await cluster.image();
  await cluster.kubectl(['apply', '--server-side', '--force-conflicts', '-f', join(ROOT, 'crds')]);
  await cluster.kubectl(['wait', '--for=condition=Established', '--timeout=2m', '-f', join(ROOT, 'crds')]);
  // The operator of one namespace has its rights there.
  await cluster.kubectl(['create', 'namespace', `gatehouse-main-${suffix}`]);
}, KUBE_START_MS);

afterAll(async () => {
  if (whyNot !== undefined) return;
  const names = NAMESPACES.map((name) => `${name}-${suffix}`);
  // What the page itself does at its end; after a failure some of it is still there.
  const all = ['delete', 'gatehouse', '--all', '--ignore-not-found', '--timeout=2m'];
  await cluster.kubectl(['-n', `gatehouse-main-${suffix}`, ...all]).catch(console.error);
  const uninstall = ['uninstall', 'gatehouse-operator', '-n', `gatehouse-system-${suffix}`];
  await cluster.helm([...uninstall, '--ignore-not-found']).catch(console.error);
  await cluster.kubectl(['delete', 'namespace', ...names, '--ignore-not-found', '--wait=false']);
  await cluster.close();
}, READY_MS);

test(
  'ok: the guide does what it says',
  async (context) => {
    if (whyNot !== undefined) context.skip(whyNot);
    const folder = mkdtempSync(join(tmpdir(), 'gatehouse-guide-'));
    const programs = cluster.isExisting ? '' : `${await kubePrograms()}:`;
    const shell = new Shell(ROOT, {
      PATH: `${join(ROOT, 'bin')}:${programs}${process.env['PATH'] ?? ''}`,
      HOME: folder,
      KUBECONFIG: cluster.kubeconfigPath,
      LANG: 'C.UTF-8',
      TERM: 'dumb',
    });
    try {
      const page = readFileSync(GUIDE, 'utf8');
      // A checkout is where its files are not written: charts alone are read from there.
      await shell.run(`cd ${folder} && ln -s ${join(ROOT, 'charts')} charts`);
      for (const { line, command, expected } of readSteps(await ofThisRun(page))) {
        const began = performance.now();
        const { output, status } = await shell.run(command);
        const took = ((performance.now() - began) / 1000).toFixed(1);
        console.info(
          `guide: line ${String(line).padEnd(4)} ${took} s  ${command.split('\n')[0]?.slice(0, 90)}`,
        );
        const shown = { line, command, output, status };
        const isAsShown = status === 0 && matches(trimEnd(expected), trimEnd(output));
        if (!isAsShown) console.error(await explain());
        expect(isAsShown, `${JSON.stringify(shown)} is not what the page shows`).toBe(true);
      }
    } finally {
      await shell.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  TEST_MS,
);

/** What a reader has of his own: namespaces, an address, an image. */
async function ofThisRun(page: string): Promise<string> {
  const port = await freeNodePort(cluster);
  const operator = 'charts/gatehouse-operator --set';
  expect(page).toContain(operator);
  return NAMESPACES.reduce((text, name) => text.replaceAll(name, `${name}-${suffix}`), page)
    .replaceAll('gate.example.com:443', `${cluster.nodeAddress}:${port}`)
    .replaceAll('{type: LoadBalancer}', `{type: NodePort, nodePort: ${port}}`)
    .replaceAll('gatehouse:0.1.0', `${image.repository}:${image.tag}`)
    .replaceAll(/charts\/gatehouse-(?:operator|kube-agent)(?= )/g, `$& --set image=${image.repository}`)
    .replaceAll(
      'charts/gatehouse-operator --set',
      'charts/gatehouse-operator --set crds.install=false --set',
    );
}

async function explain(): Promise<string> {
  const parts = NAMESPACES.map((name) => cluster.explain(`${name}-${suffix}`).catch(String));
  const objects = cluster.kubectl(['-n', `gatehouse-main-${suffix}`, 'get', 'gatehouse', '-o=yaml']);
  return [await objects.catch(String), ...(await Promise.all(parts))].join('\n');
}

function trimEnd(lines: readonly string[]): readonly string[] {
  return lines.slice(0, lines.findLastIndex((line) => line.trim() !== '') + 1);
}
