// Rows of the deployment guide's chapter 5, as the tests of the templates write them down.

/** `key value | key value` as lines of a YAML map; a key with a blank stands in quotation marks. */
export function rowLines(rows: string, indent: string): string {
  return rows
    .split(/[|\n]/)
    .map((row) => row.trim())
    .filter((row) => row !== '')
    .map((row) => `${indent}${row.replace(/^("[^"]+"|\S+) /, '$1: ')}\n`)
    .join('');
}

// The guide's table as printed, rows with "All" (or "0 for Offload, 1 for Reencrypt"), in its own
// spellings. `mended` marks what is not taken over as printed, and why.
const redirectRows = `
  port 80 | prot tcp | nickname Exchange%20Redirect | ForceL7 1 | Errorcode 302
  ErrorUrl https:%5C%2F%5C%2F%25h%25s | CheckType none`;
const ruleRows: [name: string, matchtype: string, patternKey: string, pattern: string][] = [
  ['ActiveSync', 'Regex', 'pattern', '%2F%5E%5C%2Fmicrosoft-server-activesync.%2A%2F'],
  ['Autodiscover', 'Regex', 'pattern', '%2F%5E%5C%2Fautodiscover.%2A%2F'],
  ['ECP', 'Regex', 'Pattern', '%2F%5E%5C%2Fecp.%2A%2F'],
  ['EWS', 'Regex', 'Pattern', '%2F%5E%5C%2Fews.%2A%2F'],
  ['MAPI', 'Regex', 'Pattern', '%2F%5E%5C%2Fmapi.%2A%2F'],
  ['OAB', 'Regex', 'Pattern', '%2F%5E%5C%2Foab.%2A%2F'],
  ['OWA', 'Regex', 'Patterns', '%2F%5E%5C%2Fowa.%2A%2F'],
  ['powershell', 'Regex', 'Pattern', '%2F%5E%5C%2Fpowershell.%2A%2F'],
  ['RPC', 'Regex', 'Pattern', '%2F%5E%5C%2Frpc.%2A%2F']
];
// mended: the nickname, "Exchange%20HTTPS%20 Offloaded", is to be a unique name ("Create Unique
// Name"); it is the template's own.
const mainRows = `
  port 443 | prot tcp | VStype http | ForceL7 1 | Transparent 0 | SubnetOriginating 1
  SSLAcceleration 1 | TLSType 1 | CipherSet BestPractices | Persist None | Schedule lc
  IdleTime 1800`;
// mended: port 443 and prot tcp of a SubVS have no effect; a SubVS has neither.
const subVSRows = `
  port 443 | prot tcp | SubnetOriginating 1 | Persist None | Schedule lc | IdleTime 1800
  CheckPort 443 | CheckType https | Checkversion 0 | CheckUseGet 1`;
const subVSs: [nickname: string, rule: string, checkUrl: string][] = [
  ['ActiveSync', 'ActiveSync', '%2Fmicrosoft-server-activesync%2Fhealthcheck.htm'],
  ['Autodiscover', 'Autodiscover', '%2Fautodiscover%2Fhealthcheck.htm'],
  ['ECP', 'ECP', '%2Fecp%2Fhealthcheck.htm'],
  ['EWS', 'EWS', '%2Fews%2Fhealthcheck.htm'],
  ['MAPI', 'MAPI', '%2Fmapi%2Fhealthcheck.htm'],
  ['OAB', 'OAB', '%2Foab%2Fhealthcheck.htm'],
  ['OWA', 'OWA', '%2Fowa%2Fhealthcheck.htm'],
  ['PowerShell', 'powershell', '%2Fpowershell%2Fhealthcheck.htm'],
  ['RPC', 'RPC', '%2Frpc%2Fhealthcheck.htm']
];

// The rows "ESP Enabled".
// mended: the pattern decodes to `/^\/\/%h%s`, the end of the redirector's ErrorUrl.
export const espRule = ['Authentication_Proxy', '%2F%5E%5C%2Flm_auth_proxy.%2A%2F'] as const;
const proxyRows = `
  port 443 | prot tcp | Errorcode 503 | ErrorUrl Endpoint%20not%20available | CheckType None`;
const hosts = 'AllowedHosts Mail.example.com%20autodiscover.example.com';
const espOn = `EspEnabled 1 | ESPLogs 7 | ${hosts}`;
const delegate = `${espOn} | InputAuthMode 0 | OutputAuthMode 0`;
const form = `${espOn} | InputAuthMode 2 | OutputAuthMode 2
  SingleSignInMessage Please%20enter%20your%20Exchange%20credentials`;
const espRows: Readonly<Record<string, string>> = {
  'Authentication Proxy': `${form} | "Allowed Directories" %0A%2F%2A`,
  ActiveSync: `${espOn} | InputAuthMode 1 | OutputAuthMode 1
    AllowedDirectories %2Fmicrosoft-server-activesync%2A`,
  Autodiscover: `${delegate} | AllowedDirectories %2Fautodiscover%2A%0A`,
  ECP: `${form} | AllowedDirectories %2Fecp%2A%0A`,
  EWS: `${delegate} | AllowedDirectories %2Fews%2A%0A`,
  MAPI: `${delegate} | AllowedDirectories %2Fmapi%2A%0A`,
  OAB: `${delegate} | AllowedDirectories %2Foab%2A%0A`,
  OWA: `${form} | AllowedDirectories %2Fowa%2A%0A | Logoff %2Fowa%2Flogoff.owa
    ExcludedDirectories %2Fowa%2Fguid%40smtpdomain%2A`,
  PowerShell: `${delegate} | AllowedDirectories %2Fpowershell%2A%0A`,
  RPC: `${delegate} | AllowedDirectories %2Frpc%2A%0A`
};

/** The guide's table as a configuration file without a template. */
export function guideFile(reencrypt: 0 | 1, server: string): string {
  return fileOf(reencrypt, server, false);
}

/** The same with the rows "ESP Enabled", and an SSO domain, of which the guide says nothing here. */
export function espGuideFile(reencrypt: 0 | 1, server: string): string {
  return `ssoDomains: [{ name: corp.example, server: 127.0.0.1 }]\n${fileOf(reencrypt, server, true)}`;
}

function fileOf(reencrypt: 0 | 1, server: string, esp: boolean): string {
  const [proxyRule, proxyPattern] = espRule;
  const allRules: typeof ruleRows = esp
    ? [[proxyRule, 'Regex', 'pattern', proxyPattern], ...ruleRows]
    : ruleRows;
  const rules = allRules.map(
    ([name, matchtype, key, pattern]) =>
      `  - Name: ${name}\n    matchtype: ${matchtype}\n    ${key}: ${pattern}\n    Nocase: 1\n`
  );
  const rowsOf = (nickname: string): string =>
    esp ? rowLines(espRows[nickname] ?? '', '        ') : '';
  const subs = subVSs.map(
    ([nickname, rule, url]) =>
      `      - Nickname: ${nickname}\n        rules: [${rule}]\n        CheckUrl: ${url}\n` +
      rowLines(subVSRows, '        ') +
      rowsOf(nickname)
  );
  const proxy = esp
    ? `      - Nickname: Authentication%20Proxy\n        rules: [${proxyRule}]\n` +
      `        realServers: []\n${rowLines(proxyRows, '        ')}${rowsOf('Authentication Proxy')}`
    : '';
  return (
    `rules:\n${rules.join('')}virtualServices:\n` +
    rowLines(redirectRows, '    ').replace('   ', '  -') +
    `  - nickname: main\n${rowLines(mainRows, '    ')}    SSLReencrypt: ${reencrypt}\n` +
    `    realServers: ['${server}']\n    subVSs:\n${proxy}${subs.join('')}`
  );
}
