// The templates of mail against the deployment guide, chapters 5.2 to 5.4.

import t from 'tap';
import type { VirtualService } from '../../src/config/model.ts';
import { listTemplates, renderTemplate } from '../../src/config/template.ts';
import { rowLines } from './guide-rows.ts';
import { load, serviceOf } from './support.ts';

interface Row {
  readonly name: string;
  /** As printed, every row of it. */
  readonly guide: string;
  /** What is not taken over as printed; all know that the nickname is the template's name. */
  readonly mended?: readonly (readonly [printed: string, meant: string])[];
  /** What the administrator must give beside the servers. */
  readonly entry?: string;
  readonly serverPort: number;
  /** Part of the note that the administrator gets to read. */
  readonly note: RegExp;
  /** What comes out of it, beside the guide's common values. */
  readonly is: readonly [
    port: number,
    vsType: string,
    protocol: string,
    startTls: string,
    endsTls: boolean,
    check: string
  ];
}

const common = 'prot tcp | ForceL7 1 | Transparent 0 | SubnetOriginating 1 | Schedule rr';
const mailbox = `${common} | Persist None | Idletime 3600`;
const smtp = `${common} | Persist src | PersistTimeout 3600 | IdleTime 120`;
const withTls = 'SSLAcceleration 1 | TLSType 1 | CipherSet BestPractices';
const offloaded = `${withTls} | SSLReencrypt 0`;
const passThrough = /servers need a certificate/;
const plainLogin = /must take plain-text logins/;
const relay = /never let a connector relay without a login/;

const rows: readonly Row[] = [
  {
    name: 'IMAP',
    guide: `port 143 | VStype gen | nickname Exchange%20IMAP | ServerInit Imap4 | ${mailbox}
      CheckType Imap4 | CheckPort 110`,
    mended: [['CheckPort 110', 'CheckPort 143']],
    serverPort: 143,
    note: passThrough,
    is: [143, 'gen', 'imap', 'no', false, 'imap 143']
  },
  {
    name: 'IMAPS',
    guide: `port 993 | VStype gen | nickname Exchange%20IMAPS | ServerInit Imap4 | ${mailbox}
      CheckType tcp | CheckPort 993`,
    serverPort: 993,
    note: passThrough,
    is: [993, 'gen', 'imap', 'no', false, 'tcp 993']
  },
  {
    name: 'IMAPS Offloaded',
    guide: `port 993 | VStype gen | nickname Exchange%20IMAPS%20Offload | ServerInit Imap4
      ${mailbox} | ${offloaded} | CheckType Imap4 | CheckPort 143`,
    serverPort: 143,
    note: plainLogin,
    is: [993, 'gen', 'imap', 'no', true, 'imap 143']
  },
  {
    name: 'IMAP with STARTTLS',
    guide: `port 143 | VStype StartTLS | nickname Exchange%20IMAP%20STARTTLS | StartTLSMode Imap
      ${mailbox} | ${withTls} | CheckType Imap | CheckPort 143`,
    serverPort: 143,
    note: plainLogin,
    is: [143, 'tls', 'imap', 'offered', true, 'imap 143']
  },
  {
    name: 'POP',
    guide: `port 110 | VSType gen | nickname Exchange%20POP | ServerInit Pop3 | ${mailbox}
      CheckType Pop3 | CheckPort 110`,
    serverPort: 110,
    note: passThrough,
    is: [110, 'gen', 'pop3', 'no', false, 'pop3 110']
  },
  {
    name: 'POPS',
    guide: `port 995 | VStype gen | nickname Exchange%20POPS | ServerInit Pop3 | ${mailbox}
      CheckType tcp | CheckPort 993`,
    mended: [['CheckPort 993', 'CheckPort 995']],
    serverPort: 995,
    note: passThrough,
    is: [995, 'gen', 'pop3', 'no', false, 'tcp 995']
  },
  {
    name: 'POPS Offloaded',
    guide: `port 995 | VStype gen | nickname Exchange%20POPS%20Offload | ServerInit Pop3
      ${mailbox} | ${offloaded.replace('BestPractices', 'BestPractice')} | CheckType Pop3
      CheckPort 110`,
    serverPort: 110,
    note: plainLogin,
    is: [995, 'gen', 'pop3', 'no', true, 'pop3 110']
  },
  {
    name: 'POP with STARTTLS',
    // The nickname is printed so; it is POP.
    guide: `port 110 | VSType StartTLS | nickname Exchange%20IMAP%20STARTTLS | StartTLSMode Pop3
      ${mailbox} | ${withTls} | CheckType pop | CheckPort 110`,
    serverPort: 110,
    note: plainLogin,
    is: [110, 'tls', 'pop3', 'offered', true, 'pop3 110']
  },
  {
    name: 'SMTP',
    guide: `port 25 | VStype gen | nickname Exchange%20STMP | ServerInit smtp | ${smtp}
      CheckType smtp | CheckPort 25`,
    serverPort: 25,
    note: relay,
    is: [25, 'gen', 'smtp', 'no', false, 'smtp 25']
  },
  {
    name: 'SMTPS',
    guide: `port 587 | VStype gen | nickname Exchange%20SMTPS | ServerInit smtp | ${smtp}
      CheckType tcp | CheckPort 587`,
    serverPort: 587,
    note: relay,
    is: [587, 'gen', 'smtp', 'no', false, 'tcp 587']
  },
  {
    name: 'SMTPS Offloaded',
    guide: `port 587 | VStype gen | nickname Exchange%20SMTPS%20Offload | ServerInit smtp
      ${smtp} | ${offloaded} | CheckType smtp | CheckPort 25`,
    serverPort: 25,
    note: relay,
    is: [587, 'gen', 'smtp', 'no', true, 'smtp 25']
  },
  {
    name: 'SMTP with STARTTLS',
    guide: `port 25 | VSType StartTLS | nickname Exchange%20SMTP%20STARTTLS | StartTLSMode smtp
      ${smtp} | ${withTls} | CheckType smtp | CheckPort 25`,
    serverPort: 25,
    note: relay,
    is: [25, 'tls', 'smtp', 'offered', true, 'smtp 25']
  },
  {
    name: 'SMTP with ESP',
    // The domain is printed with its quotation marks.
    guide: `port 25 | VStype gen | nickname Exchange%20SMTP%20ESP | ServerInit smtp | ${smtp}
      EnableESP 1 | ESPLog 4 | Smtppallow '"Example.com"' | CheckType smtp | CheckPort 25`,
    entry: 'smtpAllowedDomains: example.com',
    serverPort: 25,
    note: relay,
    is: [25, 'gen', 'smtp', 'no', false, 'smtp 25']
  }
];

t.test("the thirteen have the guide's values, every one", async (t) => {
  t.same(
    listTemplates().filter((name) => / (?:IMAP|POP|SMTP)/.test(name)),
    rows.map(({ name }) => `Exchange 2016 ${name}`).toSorted()
  );
  for (const row of rows) {
    const name = `Exchange 2016 ${row.name}`;
    const theirs = await load(t.testdir({}), guideFile(row));
    const own = row.entry ?? 'enable: true';
    const entry = `{ template: ${name}, ${own}, realServers: [10.0.0.11, '10.0.0.12:81'] }`;
    const ours = await load(t.testdir({}), `virtualServices: [${entry}]\n`);
    const service = serviceOf(ours, name);
    const [guide] = theirs.configuration.virtualServices;
    t.same({ ...service, ...withoutNames(service) }, { ...guide, ...withoutNames(guide) }, name);
    t.match(ours.warnings[0], row.note, `${name}: note`);
    t.equal(ours.warnings[0]?.startsWith(`${name}: `), true);
  }
});

function guideFile({ guide, mended = [], serverPort }: Row): string {
  let meant = guide;
  for (const [printed, right] of mended) {
    if (!meant.includes(printed)) throw new Error(`the guide does not print ${printed}`);
    meant = meant.replace(printed, right);
  }
  const first = rowLines(meant, '    ').replace('   ', '  -');
  return `virtualServices:\n${first}    realServers: ['10.0.0.11:${serverPort}', '10.0.0.12:81']\n`;
}

/** The name is a part of the ids of its servers. */
function withoutNames(service: VirtualService | undefined): object {
  return {
    name: '',
    realServers: service?.realServers.map((server) => ({ ...server, id: '' }))
  };
}

t.test('and they come out of it as these', async (t) => {
  for (const { name, serverPort, is, entry = 'enable: true' } of rows) {
    const full = `exchange 2016 ${name.toUpperCase()}`;
    const outcome = await load(
      t.testdir({}),
      `virtualServices: [{ template: ${full}, name: mail, ${entry}, realServers: [10.0.0.11] }]\n`
    );
    const service = serviceOf(outcome, 'mail');
    const { port, vsType, tcp, tls, check, persistence, idleTimeMs } = service;
    const isSmtp = name.startsWith('SMTP');
    t.same(
      [
        port,
        vsType,
        tcp?.protocol,
        tcp?.startTls,
        tls !== undefined,
        `${check.type} ${check.port}`
      ],
      is,
      name
    );
    t.match(service, {
      schedule: 'rr',
      subnetOriginating: true,
      reencrypt: undefined,
      extraPorts: [],
      tcp: { clearLogin: vsType === 'gen', proxyProtocol: 'none', xclient: false },
      realServers: [{ id: `mail/10.0.0.11:${serverPort}`, weight: 1000 }]
    });
    t.equal(idleTimeMs, isSmtp ? 120_000 : 3_600_000, name);
    t.equal(check.tls, undefined);
    if (isSmtp) t.match(persistence, { mode: 'src', timeoutMs: 3_600_000 }, name);
    else t.equal(persistence, undefined, name);
    if (tls !== undefined) t.match(tls, { tlsType: 1, certificates: ['self-signed'] }, name);
  }
});

t.test('each shown is a configuration that could stand in a file, with its comments', async (t) => {
  for (const { name } of rows) {
    const text = renderTemplate(`Exchange 2016 ${name}`) ?? '';
    t.notMatch(text, /^template:/m);
    t.match(text, /^# (?:IMAP|POP|SMTP|Submission) .*\n# Values: .*chapter 5\.[234]\./, name);
    const { configuration } = await load(t.testdir({}), text);
    t.equal(configuration.virtualServices.length, 1, name);
  }
  t.match(renderTemplate('Exchange 2016 IMAP'), /checkPort: 143 # the guide prints 110/);
  t.match(renderTemplate('Exchange 2016 POPS'), /checkPort: 995 # the guide prints 993/);
  t.match(renderTemplate('Exchange 2016 SMTP with ESP'), /example\.com # yours, .*: Smtppallow$/m);
  t.match(renderTemplate('Exchange 2016 SMTP'), /# the guide prints "Exchange STMP"/);
  t.match(renderTemplate('Exchange 2016 POP with STARTTLS'), /# the guide prints .*means POP/);
  t.match(renderTemplate('Exchange 2016 POPS Offloaded'), /# the guide prints BestPractice$/m);
});

t.test('an entry overrides its template', async (t) => {
  const outcome = await load(
    t.testdir({}),
    `virtualServices:
  - template: Exchange 2016 SMTP with STARTTLS
    name: Submission
    port: 587
    startTLSMode: smtp always
    extraPorts: 2525
    persist: none
    checkPort: 0
    idleTime: 300
    realServers: ['10.0.0.11:2587']
`
  );
  t.match(serviceOf(outcome, 'Submission'), {
    port: 587,
    extraPorts: [2525],
    tcp: { startTls: 'required' },
    persistence: undefined,
    idleTimeMs: 300_000,
    check: { type: 'smtp', port: 0 },
    realServers: [{ port: 2587 }]
  });
});
