// What of the other settings makes no sense in a service that relays bytes (`gen`, `tls`), and what
// of theirs makes none elsewhere.

import type { TcpSettings, VirtualService } from './model.ts';
import { quote, type Report } from './problem.ts';
import type { Setting } from './section.ts';
import type { ServiceSettings } from './vocabulary/file.ts';
import { firstSpeakers } from './vocabulary/mail.ts';

type VsType = VirtualService['vsType'];
type Key = keyof ServiceSettings;

/** What looks into requests and answers. */
const httpOnly = [
  'subVSs',
  'errorCode',
  'errorUrl',
  'preProcessRules',
  'requestRules',
  'responseRules',
  'cookie',
  'queryTag',
  'passCipher',
  'securityHeaderOptions',
  'sslRewrite'
] as const satisfies readonly Key[];

const tcpOnly = [
  'serverInit',
  'startTLSMode',
  'proxyProtocol',
  'xclient',
  'clearLogin',
  'lineLimit',
  'loginTime'
] as const satisfies readonly Key[];

const reencryptOnly = [
  'reverseSNIHostname',
  'passSni',
  'sslForceServerVerify',
  'serverCAFile'
] as const satisfies readonly Key[];

const httpCheckOnly = [
  'checkUrl',
  'checkUse1.1',
  'checkUseGet',
  'checkHeaders',
  'checkCodes',
  'checkPattern',
  'checkPostData'
] as const satisfies readonly Key[];

/** In a service of type `http`. */
export function judgeHttp(settings: ServiceSettings, report: Report): void {
  for (const key of tcpOnly) {
    const message = `${key} means nothing in a service of type http; remove it, or set vsType: gen or tls`;
    refuse(settings[key], message, report);
  }
}

export function judgeTcp(
  settings: ServiceSettings,
  vsType: 'gen' | 'tls',
  tcp: TcpSettings,
  report: Report
): void {
  judgeRequests(settings, vsType, report);
  judgeTls(settings, vsType, report);
  judgeProtocol(settings, vsType, tcp, report);
  judgeLines(settings, vsType, tcp, report);
  judgeClientAddress(settings, tcp, report);
}

/** HTTP checks say by their type whether there is TLS, others have no URL and the like. */
export function judgeCheck(
  settings: ServiceSettings,
  vsType: VsType,
  checkType: string,
  report: Report
): void {
  const { checkTLS } = settings;
  const isHttp = checkType === 'http' || checkType === 'https';
  const isMail = checkType === 'imap' || checkType === 'pop3' || checkType === 'smtp';
  if (checkTLS?.value !== undefined && !isMail && checkTLS.value !== (checkType === 'https')) {
    const message = isHttp
      ? 'HTTP checks go by their type; remove it, and set checkType: http or https'
      : `a check of type ${checkType} has no TLS; remove it, or set checkType: imap, pop3 or smtp`;
    report(checkTLS.place, checkTLS.path, message);
  }
  if (vsType === 'http' || isHttp) return;
  const message = `only HTTP checks have it, and this one is of type ${checkType}; remove it`;
  for (const key of httpCheckOnly) {
    refuse(settings[key], `${message}, or set checkType: http or https`, report);
  }
}

function judgeRequests(settings: ServiceSettings, vsType: 'gen' | 'tls', report: Report): void {
  const usual = settings.vsType === undefined ? ' (the usual one on its port)' : '';
  const here = `a service of type ${vsType}${usual} has`;
  for (const key of httpOnly) {
    refuse(settings[key], `${here} no requests; remove it, or set vsType: http`, report);
  }
  const { persist, clientCert } = settings;
  if (persist?.value !== undefined && persist.value !== 'none' && persist.value !== 'src') {
    const message = `${quote(persist.value)} needs requests, and ${here} none; use src or none`;
    report(persist.place, persist.path, message);
  }
  if (clientCert?.value !== undefined && clientCert.value > 1) {
    const message = `${clientCert.value} adds fields to requests, and ${here} none; use 0 or 1`;
    report(clientCert.place, clientCert.path, message);
  }
}

function judgeTls(settings: ServiceSettings, vsType: 'gen' | 'tls', report: Report): void {
  const { sslReencrypt, sslAcceleration } = settings;
  // Guide 4.8 says it of SMTPS, and chapter 5 has no other mail service that does.
  const rule = `a service of type ${vsType} can be offloaded but not re-encrypted (guide 4.8)`;
  refuse(
    sslReencrypt,
    `${rule}; remove this line, and sslAcceleration too where TLS is to go through`,
    report
  );
  if (sslReencrypt === undefined || sslReencrypt.value === false) {
    for (const key of reencryptOnly) {
      refuse(settings[key], `TLS to the servers cannot be had: ${rule}; remove this line`, report);
    }
  }
  if (vsType === 'gen' || sslAcceleration?.value === true) return;
  if (sslAcceleration !== undefined && sslAcceleration.value === undefined) return;
  const at = sslAcceleration ?? settings.vsType;
  if (at === undefined) return;
  report(at.place, at.path, 'STARTTLS needs TLS that ends here; add sslAcceleration: true');
}

/** serverInit is for `gen`, startTLSMode for `tls`; the same said twice does no harm. */
function judgeProtocol(
  settings: ServiceSettings,
  vsType: 'gen' | 'tls',
  tcp: TcpSettings,
  report: Report
): void {
  const { serverInit, startTLSMode } = settings;
  if (vsType === 'gen') {
    refuse(startTLSMode, 'a service of type gen has no STARTTLS; set vsType: tls', report);
    return;
  }
  const mode = startTLSMode?.value;
  if (startTLSMode === undefined || mode === 'none') {
    const at = startTLSMode ?? settings.vsType;
    const message = 'which protocol is spoken is not said; add startTLSMode: imap, pop3 or smtp';
    if (at !== undefined) report(at.place, at.path, message);
    return;
  }
  if (mode === undefined || serverInit?.value === undefined) return;
  if (serverInit.value === 'normal') return;
  if (firstSpeakers[serverInit.value] === tcp.protocol) return;
  const message = `${quote(serverInit.value)} contradicts startTLSMode; remove this line`;
  report(serverInit.place, serverInit.path, message);
}

function judgeLines(
  settings: ServiceSettings,
  vsType: 'gen' | 'tls',
  tcp: TcpSettings,
  report: Report
): void {
  const { clearLogin, lineLimit, loginTime } = settings;
  if (vsType === 'gen') {
    const message =
      'a service of type gen takes logins as they come; remove it, or set vsType: tls';
    refuse(clearLogin, message, report);
    if (tcp.xclient || tcp.recipients !== undefined) return;
    for (const setting of [lineLimit, loginTime]) {
      const unread = 'a service of type gen reads no lines; remove it, or set vsType: tls';
      refuse(setting, unread, report);
    }
  } else if (tcp.startTls === 'required') {
    const message = 'startTLSMode takes no login before TLS; remove it, or set startTLSMode: smtp';
    refuse(clearLogin, message, report);
  }
}

function judgeClientAddress(settings: ServiceSettings, tcp: TcpSettings, report: Report): void {
  const { xclient, proxyProtocol, serverInit, startTLSMode } = settings;
  if (xclient?.value !== true) return;
  const { place, path } = xclient;
  const unclear = [serverInit, startTLSMode].some((one) => one !== undefined && !one.value);
  if (tcp.protocol !== 'smtp' && !unclear) {
    report(place, path, 'only SMTP has XCLIENT; use proxyProtocol, or remove this line');
  }
  if (settings.sslAcceleration?.value !== true && settings.port?.value === 465) {
    const message = 'XCLIENT cannot be sent into TLS that goes through; add sslAcceleration: true';
    report(place, path, `${message}, or use proxyProtocol`);
  }
  if (proxyProtocol?.value !== undefined && proxyProtocol.value !== 'none') {
    const message = 'the servers would be told twice who the client is; keep one of';
    report(place, path, `${message} xclient and proxyProtocol`);
  }
}

/** Whatever says no more than that a thing is off does no harm. */
function refuse(setting: Setting<unknown> | undefined, message: string, report: Report): void {
  const value = setting?.value;
  if (setting === undefined || value === undefined) return;
  if (value === false || value === 0 || value === 'none' || value === 'normal') return;
  if (Array.isArray(value) && value.length === 0) return;
  report(setting.place, setting.path, message);
}
