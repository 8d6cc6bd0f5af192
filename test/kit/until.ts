// Waiting for something that another process or the network does, where no clock can be moved: by asking again, with
// an end. The only place where tests wait in real time.

const ASK_AGAIN_MS = 1;

/**
 * The first answer of `probe` that is not undefined or false. Fails after `timeoutMs` and says `what` did not come;
 * errors of `probe` are its own and end the wait.
 */
export async function until<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 20_000,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`still waiting after ${timeoutMs} ms: ${what}`);
    await letOthersWork();
  }
}

/** Gives sockets, disks and other processes a moment. */
export function letOthersWork(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
}
