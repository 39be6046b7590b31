// MAPI over HTTP (MS-OXCMAPIHTTP 2.2.2.2): the answer starts at once with PROCESSING, says PENDING
// every X-PendingPeriod while the server works, and carries further headers inside its body.

import { randomUUID } from 'node:crypto';
import { fieldOf } from './request.ts';
import { pause, type Visit } from './visit.ts';

export async function serveMapi(visit: Visit): Promise<void> {
  const { answer, pace, request } = visit;
  if (request.method !== 'POST') {
    await visit.body.drain();
    const page = `<html><body>Exchange MAPI/HTTP Connectivity Endpoint<br/>User: ${visit.user}`;
    return answer.send(200, [['Content-Type', 'text/html']], `${page}</body></html>`);
  }
  await visit.body.drain();
  const type = fieldOf(request, 'x-requesttype') ?? 'NotificationWait';
  const started = Date.now();
  await answer.begin(200, [
    ['Content-Type', 'application/mapi-http'],
    ['Cache-Control', 'private'],
    ['X-RequestType', type],
    ['X-RequestId', fieldOf(request, 'x-requestid') ?? `{${randomUUID()}}:1`],
    ['X-ClientInfo', fieldOf(request, 'x-clientinfo') ?? ''],
    ['X-PendingPeriod', pace.pendingPeriodMs],
    ['X-ExpirationInfo', 1_800_000],
    ['X-ServerApplication', 'Exchange/15.01.2507.000'],
    ['X-ResponseCode', 0],
    ['Set-Cookie', `MapiContext=MAPIAAAA${randomUUID()}; path=/mapi/emsmdb; secure; HttpOnly`],
    ['Set-Cookie', `MapiSequence=0-${randomUUID()}; path=/mapi/emsmdb; secure; HttpOnly`]
  ]);
  await answer.write('PROCESSING\r\n');
  const pendings = type === 'NotificationWait' ? pace.pendings : 0;
  for (let sent = 0; sent < pendings; sent += 1) {
    await (pace.pendingDue?.() ?? pause(pace.pendingPeriodMs, visit.signal));
    await answer.write('PENDING\r\n');
  }
  await answer.write(
    `DONE\r\nX-StartTime: ${new Date(started).toUTCString()}\r\n` +
      `X-ElapsedTime: ${Date.now() - started}\r\nX-ResponseCode: 0\r\n\r\n` +
      `${type} for ${visit.user} by ${visit.serverName}`
  );
  await answer.end();
}
