// Recordings over the auth API: where the uploader of a host puts them, and where players and exports take them from.
import {
  completeRecording,
  getRecording,
  listRecordings,
  putSegment,
  putWholeRecordings,
  readSegment,
  type Recording,
} from '#core/api/recordings.ts';
import type { Infer } from '#core/schema/schema.ts';
import type { RecordingSource } from '#recordings/source.ts';
import type { UploadTarget } from '#recordings/upload.ts';
import { pathOf, type Api } from './api.ts';

/** `api` is asked at each call: it changes when the certificates of the host are renewed. Errors are those of auth. */
export function apiUploadTarget(api: () => Api): UploadTarget {
  return {
    async putSegment({ session: sid, number, sha256, bytes }) {
      await api().upload(putSegment, { sha256 }, { sid, number: String(number) }, bytes);
    },
    async complete({ session: sid, segments, head, missing }) {
      await api().call(completeRecording, { segments, head, missing }, { sid });
    },
    async putWhole(uploads) {
      const recordings = uploads.map(({ session: sid, sha256, bytes }) => ({
        sid,
        sha256,
        segment: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64'),
      }));
      await api().call(putWholeRecordings, { recordings });
    },
  };
}

/** A recording that the caller may see; NOT_FOUND comes from `segments()`. The API stays open. */
export function apiRecordingSource(api: Pick<Api, 'call' | 'download'>, sid: string): RecordingSource {
  return {
    session: sid,
    segments: async () => (await api.call(getRecording, {}, { sid })).segments,
    async *open(number) {
      yield* await api.download(pathOf(readSegment.path, { sid, number: String(number) }));
    },
  };
}

export type RecordingFilter = Omit<Infer<typeof listRecordings.request>, 'limit' | 'cursor'>;

/** What the caller may see, newest first, at most `limit`. */
export async function* eachRecording(
  api: Pick<Api, 'call'>,
  filter: RecordingFilter,
  limit: number,
): AsyncGenerator<Recording> {
  let cursor: string | undefined;
  let left = limit;
  do {
    const page = await api.call(listRecordings, {
      ...filter,
      limit: Math.min(left, 1000),
      ...(cursor === undefined ? {} : { cursor }),
    });
    yield* page.recordings;
    left -= page.recordings.length;
    cursor = page.next;
  } while (cursor !== undefined && left > 0);
}
