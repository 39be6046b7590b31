// Exchange Web Services: SOAP by POST, and streaming notifications as one answer that stays open.

import { pause, type Visit } from './visit.ts';

const xml = ['Content-Type', 'text/xml; charset=utf-8'] as const;

export async function serveEws(visit: Visit): Promise<void> {
  const { answer, body, pace } = visit;
  const asked = await body.text();
  if (visit.request.method !== 'POST') {
    return answer.send(200, [['Content-Type', 'text/html']], '<html>Exchange.asmx</html>');
  }
  if (!asked.includes('GetStreamingEvents')) {
    const cookies = asked.includes('Subscribe')
      ? [['Set-Cookie', `X-BackEndOverrideCookie=${visit.serverName}~1942062522; path=/`] as const]
      : [];
    const operation = /<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)/.exec(asked)?.[1] ?? 'Nothing';
    return answer.send(200, [xml, ...cookies], envelope(visit, `${operation}Response`));
  }
  await answer.begin(200, [xml]);
  await answer.write(envelope(visit, 'ConnectionStatus'));
  for (let event = 1; event <= pace.events; event += 1) {
    await pause(pace.eventPeriodMs, visit.signal);
    await answer.write(envelope(visit, event === pace.events ? 'Closed' : 'StatusEvent'));
  }
  await answer.end();
}

function envelope({ user, serverName }: Visit, content: string): string {
  return (
    '<?xml version="1.0" encoding="utf-8"?>' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header>' +
    `<h:ServerVersionInfo xmlns:h="http://schemas.microsoft.com/exchange/services/2006/types"/>` +
    `</s:Header><s:Body><m:${content} ` +
    'xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages">' +
    `<m:User>${user}</m:User><m:Server>${serverName}</m:Server></m:${content}>` +
    '</s:Body></s:Envelope>\r\n'
  );
}
