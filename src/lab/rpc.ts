// Outlook Anywhere (MS-RPCH): two requests make a tunnel. The body of RPC_IN_DATA is its way up and
// rarely reaches the gigabyte it declares; the answer to RPC_OUT_DATA is its way down.

import { patternPieces } from './pattern.ts';
import { pause, type Visit } from './visit.ts';

const channelBytes = 1_073_741_824;
/** MS-RPCH 2.1.2.1.5: a body of at most 16 bytes asks only for an echo. */
const echoRequestBytesMax = 16;
const echoAnswer = Buffer.from('0500140310000000140000000000000000000000', 'hex');
const rpcType = ['Content-Type', 'application/rpc'] as const;

export async function serveRpc(visit: Visit): Promise<void> {
  const { answer, body, request } = visit;
  const channel = request.method === 'RPC_IN_DATA' || request.method === 'RPC_OUT_DATA';
  if (!channel) {
    await body.drain();
    return answer.send(200, [], '');
  }
  if ((body.declaredBytes ?? channelBytes) <= echoRequestBytesMax) {
    await body.drain();
    return answer.send(200, [rpcType], echoAnswer);
  }
  if (request.method === 'RPC_OUT_DATA') return serveOut(visit);
  return serveIn(visit);
}

/** The answer goes out while the body still comes; the body is read to its end or the client's. */
async function serveIn({ answer, body, pace }: Visit): Promise<void> {
  while (body.figures.bytes < pace.inAnswerAfterBytes && (await body.read()) !== undefined);
  await answer.send(200, [rpcType], echoAnswer);
  await body.drain();
}

async function serveOut({ answer, body, pace, signal }: Visit): Promise<void> {
  await body.drain();
  await answer.begin(200, [rpcType], channelBytes);
  let sent = 0;
  while (sent < channelBytes) {
    const size = Math.min(pace.outPieceBytes, channelBytes - sent);
    for (const piece of patternPieces(sent, size)) await answer.write(piece);
    sent += size;
    await pause(pace.outPeriodMs, signal);
  }
  await answer.end();
}
