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
  admin: 8444
} as const;

function status(ex02: string, reason: string | null): LabStatus {
  const server = { reason: null, activeConnections: 1, requests: 7 };
  const subVS = (name: string): LabStatus['virtualServices'][number]['subVSs'][number] => ({
    name,
    realServers: [
      { ...server, name: 'EX01', status: 'Up' },
      { ...server, name: 'EX02', status: ex02, reason }
    ]
  });
  const virtualServices = ['Offloaded', 'Reencrypted'].map((name) => ({
    name,
    subVSs: [subVS(`${name} - OWA`), subVS('MAPI')]
  }));
  return {
    clients: 3,
    requests: 42,
    virtualServices: [...virtualServices, { name: 'Offloaded - HTTP Redirect', subVSs: [] }]
  };
}

t.test('the table has a row for each SubVS and each reason once', async (t) => {
  t.strictSame(statusTable(status('Down', 'refused')), [
    '              Offloaded EX01    Offloaded EX02    Reencrypted EX01  Reencrypted EX02',
    'OWA           Up 1/7            Down 1/7          Up 1/7            Down 1/7',
    'MAPI          Up 1/7            Down 1/7          Up 1/7            Down 1/7',
    '',
    '3 client connections, 42 requests so far',
    'EX02: refused'
  ]);
});

t.test('changes are told once, together, with their reason', async (t) => {
  const up = status('Up', null);
  t.strictSame(statusChanges(undefined, up), [
    'EX01 Up for Offloaded OWA, MAPI',
    'EX02 Up for Offloaded OWA, MAPI',
    'EX01 Up for Reencrypted OWA, MAPI',
    'EX02 Up for Reencrypted OWA, MAPI'
  ]);
  t.strictSame(statusChanges(up, up), []);
  t.strictSame(statusChanges(up, status('Down', 'refused')), [
    'EX02 Down for Offloaded OWA, MAPI: refused',
    'EX02 Down for Reencrypted OWA, MAPI: refused'
  ]);
});

t.test(
  'the configuration is YAML that names both servers and the port of the checks',
  async (t) => {
    const { admin, virtualServices } = parse(labConfiguration(places));
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
      }
    ]);
  }
);

t.test('the guide tells keys on a terminal and process ids elsewhere', async (t) => {
  const facts = { places, folder: '/tmp/lab', pids: [11, 12] };
  t.match(labGuide({ ...facts, terminal: true }), /keys: 1 and 2 kill or revive/);
  const plain = labGuide({ ...facts, terminal: false });
  t.match(plain, /kill -9 11 /);
  t.match(plain, /curl -k --ntlm -u 'CORP\\alice:Ballast-1' -i https:\/\/127.0.0.1:8443\/owa\//);
});
