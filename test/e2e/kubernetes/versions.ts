// Every version that the objects of a type had while a story went on, as a watch of the API server tells them: what a
// poller between two of them would miss is in here.
import { spawn } from 'node:child_process';
import { kubePrograms } from '#test/kit/kube-programs.ts';
import type { KubeHouse } from './house.ts';
import type { CustomObject } from './kstatus.ts';

export interface Versions {
  /** So far, oldest first. */
  readonly all: readonly CustomObject[];
  /** Ends the watch. */
  close(): Promise<void>;
}

/** Begins with what is there; `type` as kubectl takes it. The caller closes it. */
export async function watchVersions(house: KubeHouse, type: string): Promise<Versions> {
  const kubectl = house.cluster.isExisting ? 'kubectl' : `${await kubePrograms('kubectl')}/kubectl`;
  const words = ['-n', house.namespace, 'get', type, '--watch', '-o=json'];
  const child = spawn(kubectl, words, {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, KUBECONFIG: house.cluster.kubeconfigPath },
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const all: CustomObject[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    rest += part;
    // Documents are indented, so that a brace at the beginning of a line ends one.
    const documents = rest.split(/(?<=^\})\n/m);
    rest = documents.pop() ?? '';
    for (const document of documents) all.push(JSON.parse(document) as CustomObject);
  });
  return {
    all,
    async close() {
      child.kill();
      await ended;
    },
  };
}
