// Services that relay bytes (`gen`) and mail with STARTTLS (`tls`).

import { buildRecipients } from './build-esp.ts';
import type { ServiceEntry } from './expand.ts';
import { judgeHttp, judgeTcp } from './judge-tcp.ts';
import { judgeRecipients } from './judge-recipients.ts';
import type { TcpSettings, VirtualService } from './model.ts';
import type { Report } from './problem.ts';
import type { ServiceSettings } from './vocabulary/file.ts';
import { firstSpeakers, startTlsMeanings } from './vocabulary/mail.ts';

/** kemp-api 1.4: only 80 and 443 are http there; here all ports are but those of mail. */
const mailPorts: ReadonlySet<number> = new Set([25, 110, 143, 465, 587, 993, 995]);
/** On these a client waits for the greeting. */
const greetedPorts: ReadonlySet<number> = new Set([25, 110, 143, 587]);

export function chooseVsType({ vsType, port }: ServiceSettings): VirtualService['vsType'] {
  if (vsType !== undefined) return vsType.value ?? 'http';
  return mailPorts.has(port?.value ?? 0) ? 'gen' : 'http';
}

/** Undefined for a service of type `http`. */
export function buildTcp(
  entry: ServiceEntry,
  vsType: VirtualService['vsType'],
  report: Report,
  warn: (text: string) => void
): TcpSettings | undefined {
  const { settings, name } = entry;
  if (vsType === 'http') {
    judgeHttp(settings, report);
    return undefined;
  }
  const tcp = readTcp(settings, vsType);
  judgeTcp(settings, vsType, tcp, report);
  judgeRecipients(entry, tcp, report, warn);
  if (tcp.protocol === 'none' && vsType === 'gen' && waitsForGreeting(settings)) {
    warn(
      `${name}: a server is dialled when the client has sent something, and mail clients wait for ` +
        'its greeting first; add serverInit: smtp, imap4 or pop3'
    );
  }
  return tcp;
}

function readTcp(settings: ServiceSettings, vsType: 'gen' | 'tls'): TcpSettings {
  const spoken =
    vsType === 'tls'
      ? startTlsMeanings[settings.startTLSMode?.value ?? 'none']
      : {
          protocol: firstSpeakers[settings.serverInit?.value ?? 'normal'],
          startTls: 'no' as const
        };
  return {
    ...spoken,
    // A generic service offers and takes whatever its servers do.
    clearLogin: vsType === 'gen' || (settings.clearLogin?.value ?? false),
    lineBytesMax: settings.lineLimit?.value ?? 12_288,
    loginTimeMs: (settings.loginTime?.value ?? 180) * 1000,
    proxyProtocol: settings.proxyProtocol?.value ?? 'none',
    xclient: settings.xclient?.value ?? false,
    recipients: spoken.protocol === 'smtp' ? buildRecipients(settings) : undefined
  };
}

function waitsForGreeting({ port, sslAcceleration }: ServiceSettings): boolean {
  const at = port?.value ?? 0;
  return greetedPorts.has(at) || (sslAcceleration?.value === true && mailPorts.has(at));
}
