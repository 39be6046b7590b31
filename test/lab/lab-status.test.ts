// What the lab shows: the table, the lines of change, and the configuration it writes.

import t from 'tap';
import { parse } from 'yaml';
import { labConfiguration } from '../../src/lab/lab-configuration.ts';
import { labGuide } from '../../src/lab/lab-guide.ts';
import { statusChanges, statusTable, type LabStatus } from '../../src/lab/lab-status.ts';

const places = {
  serverAddresses: ['127.0.0.1', '::1'],
  serverHttp: 7080,
  serverHttps: 7443,
  offloaded: 8443,
  offloadedRedirect: 8080,
  reencrypted: 9443,
  reencryptedRedirect: 9080,
  guarded: 10443,
  guardedRedirect: 10080,
  directory: 7389,
  admin: 8444,
  serverMail: { imap: 7143, imaps: 7993, pop3: 7110, pop3s: 7995, smtp: 7025, smtps: 7465 },
  mail: {
    imap: { startTls: 8143, offloaded: 8993, passedThrough: 9993 },
    pop3: { startTls: 8110, offloaded: 8995, passedThrough: 9995 },
    smtp: { startTls: 8025, offloaded: 8465, passedThrough: 9465 }
  }
} as const;

function status(ex02: string, reason: string | null): LabStatus {
  const counts = { reason: null, activeConnections: 1 };
  const server = { ...counts, requests: 7 };
  const subVS = (name: string): LabStatus['virtualServices'][number]['subVSs'][number] => ({
    name,
    realServers: [
      { ...server, name: 'EX01', status: 'Up' },
      { ...server, name: 'EX02', status: ex02, reason }
    ]
  });
  const virtualServices = ['Offloaded', 'Reencrypted'].map((name) => ({
    name,
    realServers: [],
    subVSs: [subVS(`${name} - OWA`), subVS('MAPI')]
  }));
  const mail = ['IMAP STARTTLS', 'IMAP TLS', 'POP TLS'].map((name) => ({
    name,
    realServers: [
      { ...counts, name: 'EX01', status: 'Up', sessions: 3 },
      { ...counts, name: 'EX02', status: ex02, reason, sessions: 0 }
    ],
    subVSs: []
  }));
  return {
    clients: 3,
    requests: 42,
    sessions: 9,
    virtualServices: [
      ...virtualServices,
      { name: 'Offloaded - HTTP Redirect', realServers: [], subVSs: [] },
      ...mail
    ]
  };
}

t.test('the table has a row for each SubVS and each reason once', async (t) => {
  t.strictSame(statusTable(status('Down', 'refused')), [
    '              Offloaded EX01    Offloaded EX02    Reencrypted EX01  Reencrypted EX02',
    'OWA           Up 1/7            Down 1/7          Up 1/7            Down 1/7',
    'MAPI          Up 1/7            Down 1/7          Up 1/7            Down 1/7',
    '',
    '      STARTTLS EX01 STARTTLS EX02 TLS EX01      TLS EX02',
    'IMAP  Up 1/3        Down 1/0      Up 1/3        Down 1/0',
    'POP                               Up 1/3        Down 1/0',
    '',
    '3 client connections, 42 requests and 9 mail sessions so far',
    'EX02: refused'
  ]);
});

t.test('changes are told once, together, with their reason', async (t) => {
  const up = status('Up', null);
  t.strictSame(statusChanges(undefined, up), [
    'EX01 Up for Offloaded OWA, MAPI',
    'EX02 Up for Offloaded OWA, MAPI',
    'EX01 Up for Reencrypted OWA, MAPI',
    'EX02 Up for Reencrypted OWA, MAPI',
    'EX01 Up for STARTTLS IMAP',
    'EX02 Up for STARTTLS IMAP',
    'EX01 Up for TLS IMAP, POP',
    'EX02 Up for TLS IMAP, POP'
  ]);
  t.strictSame(statusChanges(up, up), []);
  t.strictSame(statusChanges(up, status('Down', 'refused')), [
    'EX02 Down for Offloaded OWA, MAPI: refused',
    'EX02 Down for Reencrypted OWA, MAPI: refused',
    'EX02 Down for STARTTLS IMAP: refused',
    'EX02 Down for TLS IMAP, POP: refused'
  ]);
});

t.test(
  'the configuration is YAML that names both servers and the port of the checks',
  async (t) => {
    const { admin, ssoDomains, virtualServices } = parse(labConfiguration(places));
    t.match(ssoDomains, [{ name: 'corp.lab.example', server: '127.0.0.1:7389' }]);
    t.equal(admin.port, 8444);
    t.match(virtualServices, [
      {
        template: 'Exchange 2016 HTTPS Offloaded',
        port: 8443,
        redirectPort: 8080,
        checkPort: 7443,
        realServers: [
          { address: '127.0.0.1', port: 7080, name: 'EX01' },
          { address: '::1', port: 7080, name: 'EX02' }
        ]
      },
      {
        template: 'Exchange 2016 HTTPS Reencrypted',
        port: 9443,
        redirectPort: 9080,
        checkPort: 7443,
        realServers: [{ port: 7443 }, { port: 7443 }]
      },
      {
        template: 'Exchange 2016 HTTPS Offloaded with ESP',
        port: 10443,
        domain: 'corp.lab.example',
        realServers: [{ port: 7080 }, { port: 7080 }]
      },
      { template: 'Exchange 2016 IMAP with STARTTLS', port: 8143, checkPort: 7143 },
      { template: 'Exchange 2016 IMAPS Offloaded', realServers: [{ port: 7143 }, { port: 7143 }] },
      { template: 'Exchange 2016 IMAPS', port: 9993, realServers: [{ port: 7993 }, {}] },
      { template: 'Exchange 2016 POP with STARTTLS', certificates: ['lab'] },
      { template: 'Exchange 2016 POPS Offloaded', port: 8995 },
      { template: 'Exchange 2016 POPS', checkPort: 7995, certificates: undefined },
      { template: 'Exchange 2016 SMTP with STARTTLS' },
      { template: 'Exchange 2016 SMTPS Offloaded', name: 'SMTP TLS' },
      { template: 'Exchange 2016 SMTPS', name: 'SMTP through', port: 9465 }
    ]);
  }
);

t.test('the guide tells keys on a terminal and process ids elsewhere', async (t) => {
  const facts = { places, folder: '/tmp/lab', pids: [11, 12] };
  t.match(labGuide({ ...facts, terminal: true }), /keys: 1 and 2 kill or revive/);
  const plain = labGuide({ ...facts, terminal: false });
  t.match(plain, /kill -9 11 /);
  t.match(plain, 'IMAP 8143 8993 9993   POP 8110 8995 9995   SMTP 8025 8465 9465');
  t.ok(plain.split('\n').length < 60, 'one screen');
  t.match(
    plain,
    /10443\/owa\/ +CORP\\alice Ballast-1 +CORP\\bob Ballast-2 +CORP\\carol Ballast-3\n/
  );
  t.match(plain, /curl -k --ntlm -u 'CORP\\alice:Ballast-1' -i https:\/\/127.0.0.1:8443\/owa\//);
});
