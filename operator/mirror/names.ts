// The words by which people and the operator speak of a mirror, in one place.

/** Keeps the object until what it made is removed. */
export const MIRROR_FINALIZER = 'gatehouse.dev/mirror';
/** "true": the operator touches neither the object nor what it made. */
export const PAUSED_ANNOTATION = 'gatehouse.dev/paused';
/** "true": a resource of the name that nobody owns becomes the object's. */
export const ADOPT_ANNOTATION = 'gatehouse.dev/adopt';
export const DESCRIPTION_ANNOTATION = 'gatehouse.dev/description';
