// The work that every proxy in the comparison is given: nine path rules as in the Exchange
// templates, two servers, one small answer.

/** A rule per virtual directory: the first segment of the path, without regard to case. */
export const directories: readonly { readonly name: string; readonly prefix: string }[] = [
  { name: 'ActiveSync', prefix: '/microsoft-server-activesync' },
  { name: 'Autodiscover', prefix: '/autodiscover' },
  { name: 'ECP', prefix: '/ecp' },
  { name: 'EWS', prefix: '/ews' },
  { name: 'MAPI', prefix: '/mapi' },
  { name: 'OAB', prefix: '/oab' },
  { name: 'OWA', prefix: '/owa' },
  { name: 'PowerShell', prefix: '/powershell' },
  { name: 'RPC', prefix: '/rpc' }
];

/** One request for each rule, spelt as clients spell them. */
export const requestPaths: readonly string[] = [
  '/Microsoft-Server-ActiveSync?Cmd=Ping&User=alice&DeviceId=0123456789&DeviceType=iPhone',
  '/Autodiscover/Autodiscover.xml',
  '/ecp/default.aspx',
  '/EWS/Exchange.asmx',
  '/mapi/emsmdb/?MailboxId=6a3f2c1e-0b1d-4c55-9f0e-2f6f3a1c9d10@example.com',
  '/OAB/2f6f3a1c-9d10-4c55-9f0e-6a3f2c1e0b1d/oab.xml',
  '/owa/service.svc?action=FindItem',
  '/powershell?serializationLevel=Full',
  '/rpc/rpcproxy.dll?ex01.example.com:6001'
];

/** About 400 bytes of head, as a browser or a phone sends. */
export const requestHeaders: Readonly<Record<string, string>> = {
  Host: 'mail.example.com',
  'User-Agent': 'Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)',
  Accept: '*/*',
  'Accept-Encoding': 'gzip, deflate',
  'Accept-Language': 'en-GB,en;q=0.7,de;q=0.3',
  'X-RequestId': '{5d2d8a3c-8d2a-4f2a-9b5e-2a6f7c9d1e10}:42',
  Cookie: 'ClientId=8F2E6B0C4D1A4E7F9B3C; X-BackEndCookie=S-1-5-21-1111111111-2222222222-333333333'
};

/** About 1,500 bytes of head, as Outlook sends: nine fields more, a token and longer cookies. */
const outlookHeaders: Readonly<Record<string, string>> = {
  ...requestHeaders,
  Authorization: `Bearer ${'eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.'.padEnd(520, 'aGVhZGVyLnBheWxvYWQ')}`,
  'Content-Language': 'en-GB',
  'X-ClientInfo': '{8A1F2C44-52B7-4E0B-8C5D-3D0F6E4B7A90}:118800042',
  'X-ClientApplication': 'Outlook/16.0.17928.20114',
  'X-User-Identity': 'alice@example.com',
  'X-AnchorMailbox': 'alice@example.com',
  'X-PreferServerAffinity': 'true',
  'X-FeatureVersion': '1',
  'client-request-id': '2f6f3a1c-9d10-4c55-9f0e-6a3f2c1e0b1d',
  Cookie: `${requestHeaders['Cookie']}; MapiContext=${'MAPIAAAAAOjC'.padEnd(180, '7fT5A9kz0Q')}; MapiSequence=118-9b3c`
};

export const headers = { usual: requestHeaders, outlook: outlookHeaders } as const;

export type Heads = keyof typeof headers;

/** A whole request head; `more` are further fields. */
export function requestHead(
  method: 'GET' | 'POST',
  path: string,
  more: Readonly<Record<string, string | number>> = {}
): string {
  const fields = Object.entries({ ...requestHeaders, ...more });
  return `${method} ${path} HTTP/1.1\r\n${fields.map(([k, v]) => `${k}: ${v}\r\n`).join('')}\r\n`;
}

export const answerBody =
  'A small answer, as most of those that Exchange gives to a busy client.\n';

/** Servers have an address each and share the port, so that one check port suits both. */
export const serverAddresses: readonly string[] = ['127.0.0.11', '127.0.0.12'];

export const checkPath = '/owa/healthcheck.htm';
export const checkBody = '200 OK<br/>EX.example.com';

export const connections = 32;

/** What the stand-in server can do beyond the small answer; nginx is not asked for these. */
export const downPath = '/EWS/down';
export const upPath = '/EWS/up';
export const holdPath = '/Microsoft-Server-ActiveSync/hold';
export const releasePath = '/owa/release';

/** What a released poll is answered; as long for each, so that its length says nothing. */
export function pollBody(number: number): string {
  return `poll ${String(number).padStart(8, '0')} is over\n`;
}
