// The main job as its user runs it: both templates in front of nginx as Exchange servers, with
// curl and openssl as clients, and a server that dies under load.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import t, { type Test } from 'tap';
import { freePorts, startBallast, type Ballast } from '../fixture/ballast.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { startNginx, type Nginx } from '../fixture/nginx.ts';
import { missing, run } from '../fixture/programs.ts';

t.setTimeout(120_000);

const needs = missing('nginx', 'curl', 'openssl', 'wrk');

/** Virtual directory by SubVS (guide 5.1). */
const directories = {
  ActiveSync: '/Microsoft-Server-ActiveSync',
  Autodiscover: '/Autodiscover',
  ECP: '/ecp',
  EWS: '/EWS',
  MAPI: '/mapi',
  OAB: '/OAB',
  OWA: '/owa',
  PowerShell: '/PowerShell',
  RPC: '/rpc'
};

interface Site {
  readonly ballast: Ballast;
  readonly servers: readonly [Nginx, Nginx];
  readonly https: number;
  readonly http: number;
  readonly admin: number;
  readonly yaml: string;
}

interface StatusServer {
  readonly name: string;
  readonly status: string;
  readonly reason: string | null;
  readonly requests: number;
}

interface StatusService {
  readonly name: string;
  readonly status: string;
  readonly realServers: readonly StatusServer[];
  readonly subVSs: readonly StatusService[];
}

async function startSite(t: Test, template: string): Promise<Site> {
  const mail = await testCertificate('mail.example.com');
  const [https, http, admin, plain, secure] = (await freePorts(5)) as [
    number,
    number,
    number,
    number,
    number
  ];
  const servers = await Promise.all(
    ['127.0.0.11', '127.0.0.12'].map((address, i) =>
      startNginx({
        name: `ex0${i + 1}.example.com`,
        address,
        httpPort: plain,
        httpsPort: secure,
        cert: mail.cert,
        key: mail.key
      })
    )
  );
  t.teardown(() => Promise.all(servers.map((server) => server.remove())));
  const offloaded = template.includes('Offloaded');
  const port = offloaded ? plain : secure;
  const certificate = join(servers[0]?.folder ?? '', 'mail.pem');
  writeFileSync(certificate, mail.pem);
  const yaml = `
global: { workers: 2, checkInterval: 9, logLevel: info }
admin: { port: ${admin} }
certificates: [{ name: mail, file: ${certificate} }]
virtualServices:
  - template: ${template}
    name: Mail
    address: 127.0.0.1
    port: ${https}
    redirectPort: ${http}
    certificates: [mail]
    checkPort: ${secure}
    realServers: ['127.0.0.11:${port}', '127.0.0.12:${port}']
`;
  const ballast = await startBallast(yaml);
  t.teardown(() => ballast.stop());
  return { ballast, servers: servers as [Nginx, Nginx], https, http, admin, yaml };
}

async function status(site: Site): Promise<readonly StatusService[]> {
  const response = await fetch(`http://127.0.0.1:${site.admin}/status`);
  const body = (await response.json()) as { readonly virtualServices: readonly StatusService[] };
  return body.virtualServices;
}

async function mainService(site: Site): Promise<StatusService> {
  const found = (await status(site)).find((service) => service.name === 'Mail');
  if (found === undefined) throw new Error('no service Mail in /status');
  return found;
}

function subVS(service: StatusService, name: string): StatusService {
  const found = service.subVSs.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no SubVS ${name} in /status`);
  return found;
}

for (const template of ['Exchange 2016 HTTPS Offloaded', 'Exchange 2016 HTTPS Reencrypted']) {
  const scheme = template.includes('Offloaded') ? 'http' : 'https';

  t.test(`${template}: nine SubVSs, redirect, TLS`, { skip: needs }, async (t) => {
    const site = await startSite(t, template);
    const base = `https://127.0.0.1:${site.https}`;

    for (const [name, path] of Object.entries(directories)) {
      const answer = await run('curl', '-sk', `${base}${path}/x?q=1`);
      t.match(answer, new RegExp(`^ex0[12]\\.example\\.com GET ${path}/x\\?q=1 ${scheme}`), name);
    }
    const counted = await afterRequests(site, Object.keys(directories).length);
    for (const name of Object.keys(directories)) {
      const service = subVS(counted, name);
      t.equal(requestsOf(service), 1, `${name} took its request, and only that one`);
      t.ok(
        service.realServers.every((server) => server.status === 'Up'),
        `${name} is checked on both servers`
      );
    }

    const root = await run('curl', '-ski', `${base}/`);
    t.match(root, /^HTTP\/1\.1 404 /, 'no rule matches the root');
    t.match(root, /X-Request-Id: \S+/, 'our own answers name the request');

    const redirect = await run(
      'curl',
      '-si',
      '-H',
      `Host: mail.example.com:${site.http}`,
      `http://127.0.0.1:${site.http}/owa/?a=b&c=%0d%0aX:y`
    );
    t.match(redirect, /^HTTP\/1\.1 302 /);
    t.match(redirect, /\r\nLocation: https:\/\/mail\.example\.com\/owa\/\?a=b&c=%0d%0aX:y\r\n/);

    const hello = await run(
      'sh',
      '-c',
      `openssl s_client -connect 127.0.0.1:${site.https} -servername mail.example.com </dev/null 2>&1`
    );
    t.match(hello, /TLSv1\.3/, 'TLS 1.3');
    t.match(hello, /CN ?= ?mail\.example\.com/);
  });
}

/** The status once the workers' counters (one report a second) hold this many requests. */
async function afterRequests(site: Site, count: number): Promise<StatusService> {
  for (;;) {
    const service = await mainService(site);
    const sum = service.subVSs.reduce((total, one) => total + requestsOf(one), 0);
    if (sum >= count) return service;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function requestsOf(service: StatusService): number {
  return service.realServers.reduce((sum, server) => sum + server.requests, 0);
}

t.test(
  'a server killed and revived under load loses only what it had',
  { skip: needs },
  async (t) => {
    const site = await startSite(t, 'Exchange 2016 HTTPS Reencrypted');
    const [first, second] = site.servers;
    const load = spawn(
      'wrk',
      ['-t1', '-c16', '-d12', '--timeout', '10', `https://127.0.0.1:${site.https}/owa/load`],
      { stdio: ['ignore', 'pipe', 'inherit'] }
    );
    let output = '';
    load.stdout.on('data', (bytes: Buffer) => (output += bytes.toString()));
    const finished = once(load, 'close');

    await site.ballast.waitFor((line) => line.msg === 'request' && line['server'] !== undefined);
    await first.kill();
    const down = await site.ballast.waitFor(
      (line) => line['state'] === 'down' && String(line['service']).includes('OWA')
    );
    t.match(String(down['reason']), /127\.0\.0\.11/, 'the reason names the server');
    t.equal(subVS(await mainService(site), 'OWA').status, 'Up', 'one server is enough');
    await first.start();
    await site.ballast.waitFor(
      (line) =>
        line['state'] === 'up' &&
        String(line['service']).includes('OWA') &&
        site.ballast.lines.indexOf(line) > site.ballast.lines.indexOf(down)
    );
    await second.kill();
    await finished;
    await second.start();

    const requests = site.ballast.lines.filter((line) => line.msg === 'request');
    const failed = requests.filter((line) => Number(line['status']) >= 400);
    t.ok(requests.length > 1000, `${requests.length} requests`);
    t.ok(
      failed.every((line) =>
        ['server-closed', 'truncated-answer'].includes(String(line['closed']))
      ),
      'no request failed but those in flight on the dead server'
    );
    // 16 connections, each with one request in flight at most, two deaths.
    t.ok(failed.length <= 32, `${failed.length} failed`);
    t.notMatch(output, /Socket errors: connect [1-9]/, 'no connection was refused');
  }
);
