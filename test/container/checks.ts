// What the image must show. Run by run.ts, which builds it and gives this process a network of its
// own: all ports are free, low ones are privileged, and nothing leaves the machine.

import { chownSync, chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startExchange } from '../../src/lab/exchange.ts';
import { testCertificate } from '../fixture/certificates.ts';
import { run } from '../fixture/programs.ts';
import { limits, lowPorts, noTimer, runOnce, startContainer } from './container.ts';
import { image, nodePackage } from './image.ts';
import { podman } from './podman.ts';

const host = 'mail.example.com';
const address = '127.0.0.10';
const server = '127.0.0.11';
/** The image's user. */
const user = 1000;
const { cert, key, pem } = await testCertificate(host);

const global = 'global: { workers: 2, drainTime: 10, checkInterval: 3, checkTimeout: 1 }';
const mail = `
  - template: Exchange 2016 HTTPS Reencrypted
    name: Mail
    address: ${address}
    realServers: [${server}]`;
const withCertificate = `${global}
certificates: [{ name: mail, file: mail.pem }]
virtualServices:${mail}
    certificates: [mail]
`;
const secondRedirect = `
  - { name: More, address: ${address}, port: 81, errorCode: 302, errorUrl: 'https://%h%s' }
`;

/** A folder as it is mounted; the key is for Ballast's user alone. */
function configuration(t: Test, yaml: string): string {
  const folder = t.testdir({ 'ballast.yaml': yaml, 'mail.pem': pem, 'trust.pem': cert });
  chmodSync(folder, 0o755);
  chownSync(join(folder, 'mail.pem'), 0, user);
  chmodSync(join(folder, 'mail.pem'), 0o640);
  return folder;
}

function standIn() {
  const https = { host: server, port: 443, key, cert };
  return startExchange({ name: 'ex01.example.com', http: { host: server, port: 80 }, https });
}

function curl(folder: string, ...args: string[]): Promise<string> {
  const places = [443, 80, 81].flatMap((port) => ['--resolve', `${host}:${port}:${address}`]);
  return run('curl', '-sS', '--cacert', join(folder, 'trust.pem'), ...places, ...args);
}

function redirectOf(folder: string, url: string): Promise<string> {
  return curl(folder, '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', url);
}

/** Resolves once the management listener answers so. */
async function ready(status: number): Promise<void> {
  while ((await fetch('http://127.0.0.1:8444/ready')).status !== status) {
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function statusOf(pid: number | string): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2)));
}

t.test('the image: production only, and nothing in it that Ballast could change', async (t) => {
  const inImage = async (...command: string[]): Promise<string> => {
    const plain = ['run', '--rm', '--network', 'none', ...noTimer, ...limits()];
    return podman(...plain, '--entrypoint', command[0] ?? '', image, ...command.slice(1));
  };
  const packages = (await inImage('ls', '/app/node_modules')).split('\n');
  t.ok(packages.includes('pino'));
  for (const name of ['tap', 'typescript', nodePackage]) t.notOk(packages.includes(name), name);
  t.equal(await inImage('find', '/app', '/etc', '-writable', '-not', '-type', 'l'), '');
});

t.test('commands other than run', async (t) => {
  const folder = configuration(t, withCertificate);
  const file = '/etc/ballast/ballast.yaml';
  t.match(await runOnce(folder, [], 'check', '--config', file), { code: 0, stdout: /^ok\n$/ });
  const templates = await runOnce(folder, [], 'templates');
  t.match(templates, { code: 0, stdout: /^Exchange 2016 HTTPS Reencrypted$/m });
  t.match(await runOnce(folder, [], 'start'), { code: 2, stderr: 'usage: ballast run' });
});

t.test('run: serves, reloads, tells its health, drains', async (t) => {
  const folder = configuration(t, withCertificate);
  let exchange = await standIn();
  t.teardown(() => exchange.close());
  const container = await startContainer(t, folder, lowPorts);
  await container.take('"msg":"ready"');

  const pid = await container.pid();
  t.match(readFileSync(`/proc/${pid}/cmdline`, 'utf8'), /^node\0\/app\/src\/main\.ts\0run\0/);
  const workers = (await run('pgrep', '--parent', String(pid))).trim().split('\n');
  t.equal(workers.length, 2);
  for (const one of [pid, ...workers]) {
    const { NSpid = '', Uid, CapEff, CapBnd, NoNewPrivs } = statusOf(one);
    t.equal(NSpid.endsWith('\t1'), one === pid, 'the primary is the first process, by itself');
    t.equal(Uid, Array(4).fill(user).join('\t'));
    // Bit 10: CAP_NET_BIND_SERVICE.
    t.match(
      { CapEff, CapBnd, NoNewPrivs },
      { CapEff: /^0+400$/, CapBnd: /^0+400$/, NoNewPrivs: '1' }
    );
  }

  t.equal(await curl(folder, `https://${host}/owa/healthcheck.htm`), '200 OK<br/>ex01.example.com');
  const redirect = await redirectOf(folder, `http://${host}/owa/?a=1`);
  t.equal(redirect, `302 https://${host}/owa/?a=1`);

  t.match(await container.checkHealth(), { code: 0, stdout: 'ready\n' });
  await exchange.kill();
  await ready(503);
  t.match(await container.checkHealth(), { code: 1, stdout: 'no usable service\n' });
  exchange = await standIn();
  await ready(200);

  writeFileSync(join(folder, 'ballast.yaml'), withCertificate + secondRedirect);
  await container.reload();
  await container.take('"msg":"reloaded"');
  t.equal(await redirectOf(folder, `http://${host}:81/ecp`), `302 https://${host}/ecp`);
  writeFileSync(join(folder, 'ballast.yaml'), 'virtualServices: [{ prot: 1 }]');
  await container.reload();
  t.match(await container.take('"msg":"reload refused"'), '/etc/ballast/ballast.yaml:1:');
  t.equal(await redirectOf(folder, `http://${host}:81/ecp`), `302 https://${host}/ecp`);

  const begun = performance.now();
  t.equal(await container.stop(), 0);
  t.ok(performance.now() - begun < 10_000);
});

t.test('run without a certificate: a self-signed one, which cannot be kept', async (t) => {
  const folder = configuration(t, `${global}\nvirtualServices:${mail}\n`);
  const exchange = await standIn();
  t.teardown(() => exchange.close());
  const container = await startContainer(t, folder, lowPorts);
  t.match(await container.take('lasts until the next restart'), /ballast-self-signed\.pem: EROFS/);
  await container.take('"msg":"ready"');
  const health = await curl(folder, '--insecure', `https://${host}/owa/healthcheck.htm`);
  t.equal(health, '200 OK<br/>ex01.example.com');
  t.equal(await container.stop(), 0);
});

t.test('run with what it cannot have ends with the exit code of the contract', async (t) => {
  const ports = await runOnce(configuration(t, withCertificate), []);
  t.match(ports, { code: 3, stderr: `cannot listen on ${address}:443 (Mail): not permitted` });
  const refused = await runOnce(t.testdir({ 'ballast.yaml': '{}' }), lowPorts);
  t.match(refused, { code: 1, stderr: '/etc/ballast/ballast.yaml:1:1 ' });
});

t.test('lab: needs a place for its files, and no configuration', async (t) => {
  const container = await startContainer(t, t.testdir({}), ['--tmpfs', '/tmp'], 'lab');
  const line = await container.take('curl');
  t.match(await run('sh', '-c', line.trim()), /^200 OK<br\/>ex0[12]\.lab\.example$/);
  t.equal(await container.stop(), 0);
});
