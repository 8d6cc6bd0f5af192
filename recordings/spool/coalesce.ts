// Work that serves everybody who asked before it began, such as the sync of a folder: fifty sessions that end at once
// wait for two runs of it, not for fifty.

/** A function that runs `work`, at most once at a time; each call resolves after a run that began after the call. */
export function coalesce(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let next: Promise<void> | undefined;
  const run = (): Promise<void> => {
    const current = work().finally(() => {
      if (running === current) running = undefined;
    });
    running = current;
    return current;
  };
  return () => {
    if (running === undefined) return run();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return run();
      });
    return next;
  };
}
