// The marks by which a resource says whose it is: of one custom resource of one Kubernetes operator. Both ends must
// spell them alike: the operator writes them, auth keeps them.

/** Holds the digest that names the owner; a resource without it has none. */
export const OWNER_LABEL = 'gatehouse.internal/owner';
/** The owner in words, for people. */
export const OWNER_NAME_LABEL = 'gatehouse.internal/owner-name';

/** What a resource says about its owner. */
export interface Owner {
  readonly id: string;
  readonly name: string;
}

/** Undefined when it has none. */
export function ownerOf(resource: {
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> };
}): Owner | undefined {
  const labels = resource.metadata.labels ?? {};
  const id = labels[OWNER_LABEL];
  return id === undefined || id === '' ? undefined : { id, name: labels[OWNER_NAME_LABEL] ?? '' };
}
