// Its own process for the benchmark of AWS: a front that checks signatures, with an S3 that forgets what it is given and
// gives zeros. Tells its port and authority in one line of JSON; ends with its standard input.
import type { ServerResponse } from 'node:http';
import { startAwsFront, type SeenRequest } from '../../kit/aws-front.ts';
import { ROLE_KEYS } from '../../kit/aws-house.ts';

const PIECE = Buffer.alloc(256 * 1024);
const bytes = Number(process.argv[2]);

async function handle(
  { method, target, headers }: SeenRequest,
  body: AsyncIterable<Uint8Array>,
  response: ServerResponse,
): Promise<void> {
  for await (const _ of body);
  if (method === 'GET' || method === 'HEAD') {
    sayZeros(method, headers.range, response);
    return;
  }
  const query = target.slice(target.indexOf('?') + 1);
  response.setHeader('etag', '"e"');
  if (method === 'POST' && query.startsWith('uploads'))
    response.end('<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>');
  else if (method === 'POST')
    response.end('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>');
  else response.end();
}

function sayZeros(method: string, range: string | undefined, response: ServerResponse): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
  const first = Number(from ?? 0);
  const last = to === undefined || to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1);
  let left = last - first + 1;
  response.writeHead(from === undefined ? 200 : 206, {
    'content-length': String(left),
    'content-range': `bytes ${first}-${last}/${bytes}`,
    'last-modified': 'Sat, 21 Nov 2026 00:00:00 GMT',
    etag: '"e"',
  });
  if (method === 'HEAD') {
    response.end();
    return;
  }
  const more = (): void => {
    while (left > 0) {
      const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
      left -= piece.length;
      if (!response.write(piece)) {
        response.once('drain', more);
        return;
      }
    }
    response.end();
  };
  more();
}

const front = await startAwsFront({ keys: [ROLE_KEYS], handle });
console.log(JSON.stringify({ port: front.port, authority: front.authority }));
process.stdin.resume().once('end', () => process.exit(0));
