// What this process wrote last of each object, for as long as the informers' copy is behind it. Without it a second look
// that comes at once would tell the same news again, with another time. Apart from the reconcilers because two need it.
import { keyText } from '../kube/object-types.ts';
import type { KubeObject, ObjectKey } from '../kube/kube.ts';

/** Of one type of object. */
export class Newest {
  readonly #written = new Map<string, KubeObject>();

  /** `written`: what the API server answered. */
  note(written: KubeObject): void {
    this.#written.set(keyText(written.metadata), written);
  }

  /** The newer one of `seen`, which an informer has, and what was written of the same object. */
  of(seen: KubeObject): KubeObject {
    const text = keyText(seen.metadata);
    const own = this.#written.get(text);
    if (own === undefined) return seen;
    const isSame = own.metadata.uid === seen.metadata.uid;
    if (isSame && isNewer(own.metadata.resourceVersion, seen.metadata.resourceVersion)) return own;
    this.#written.delete(text);
    return seen;
  }

  /** The object is gone. */
  forget(key: ObjectKey): void {
    this.#written.delete(keyText(key));
  }
}

/** Revisions of one type of object are numbers that grow; compared as text, since they may be long. */
function isNewer(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.length === other.length ? one > other : one.length > other.length;
}
