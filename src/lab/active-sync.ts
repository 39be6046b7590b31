// Exchange ActiveSync (MS-ASHTTP): OPTIONS tells the versions, and a Ping is a request that hangs
// until mail arrives or its heartbeat is over.

import { queryValue } from './request.ts';
import { pause, type Visit } from './visit.ts';

const versions = '2.0,2.1,2.5,12.0,12.1,14.0,14.1,16.0,16.1';
const commands =
  'Sync,SendMail,SmartForward,SmartReply,GetAttachment,GetHierarchy,CreateCollection,' +
  'DeleteCollection,MoveCollection,FolderSync,FolderCreate,FolderDelete,FolderUpdate,MoveItems,' +
  'GetItemEstimate,MeetingResponse,Search,Settings,Ping,ItemOperations,Provision,' +
  'ResolveRecipients,ValidateCert';

/** Command code of a Ping in a base64 query. */
const pingCode = 18;
/** WBXML 1.3, Ping/Status: 1 (heartbeat over, nothing new). */
const pingOver = Buffer.from('03016a00000d4547033100010101', 'hex');
const wbxml = ['Content-Type', 'application/vnd.ms-sync.wbxml'] as const;

export async function serveActiveSync(visit: Visit): Promise<void> {
  const { answer, body, request } = visit;
  await body.drain();
  if (request.method === 'OPTIONS') {
    return answer.send(200, [
      ['Allow', 'OPTIONS,POST'],
      ['Public', 'OPTIONS,POST'],
      ['MS-Server-ActiveSync', '15.1'],
      ['MS-ASProtocolVersions', versions],
      ['MS-ASProtocolCommands', commands]
    ]);
  }
  if (request.method !== 'POST') return answer.send(501, []);
  if (!isPing(request.query)) return answer.send(200, [wbxml, ['MS-Server-ActiveSync', '15.1']]);
  const seconds = queryValue(request, 'heartbeat');
  await pause(
    seconds === undefined ? visit.pace.heartbeatMs : Number(seconds) * 1000,
    visit.signal
  );
  return answer.send(200, [wbxml, ['MS-Server-ActiveSync', '15.1']], pingOver);
}

function isPing(query: string): boolean {
  if (query.includes('=') && /(^|&)cmd=/i.test(query)) return /(^|&)cmd=ping(&|$)/i.test(query);
  return Buffer.from(query, 'base64')[1] === pingCode;
}
