// The numbers of GET /metrics beside a known run of requests: exact over all workers, and no counter
// ever goes back, whatever happens to a worker.

import t, { type Test } from 'tap';
import { Scrape } from '../fixture/exposition.ts';
import { basic, dialPlain, startSite, type ExchangeSite } from '../fixture/exchange-site.ts';
import type { Peer } from '../fixture/peer.ts';

t.setTimeout(90_000);
// Most of the time passes between reports.
t.jobs = 2;

const host = 'Host: mail.example.com\r\n';
const owa = { virtual_service: 'Mail', sub_vs: 'OWA' };
const ews = { virtual_service: 'Mail', sub_vs: 'EWS' };
const main = { virtual_service: 'Mail', sub_vs: '' };
const redirector = { virtual_service: 'Mail - HTTP Redirect' };
const none = { real_server: '', address: '' };

/** Scrapes, and sees to it that no counter is less than in any scrape before. */
class Watch {
  readonly #t: Test;
  readonly #admin: number;
  #before = new Map<string, number>();
  #stopped = false;
  #latest: Promise<unknown> = Promise.resolve();
  readonly #ended: Promise<void>;

  constructor(t: Test, admin: number) {
    this.#t = t;
    this.#admin = admin;
    this.#ended = this.#run();
  }

  /** One after the other: of two at a time the older may be read last. */
  scrape(): Promise<Scrape> {
    const next = this.#latest.then(() => this.#scrapeOnce());
    this.#latest = next.catch(() => {});
    return next;
  }

  async #scrapeOnce(): Promise<Scrape> {
    const answer = await fetch(`http://127.0.0.1:${this.#admin}/metrics`);
    const scrape = new Scrape(await answer.text());
    const now = scrape.counters();
    for (const [key, value] of this.#before) {
      const next = now.get(key);
      if (next === undefined || next < value) this.#t.fail(`${key}: ${value}, then ${next}`);
    }
    this.#before = now;
    return scrape;
  }

  /** Until the sum is this or more: reports come once a second. */
  async until(name: string, labels: Record<string, string>, value: number): Promise<Scrape> {
    for (;;) {
      const scrape = await this.scrape();
      if (scrape.sum(name, labels) >= value) return scrape;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.scrape();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function ask(client: Peer, path: string, field = ''): Promise<string> {
  client.send(`GET ${path} HTTP/1.1\r\n${host}${field}\r\n`);
  return (await client.message()).head.slice(9, 12);
}

/** On each connection: OWA 200, 401 and 200, EWS 200 twice, and what no rule matches. */
async function converse(clients: readonly Peer[]): Promise<string> {
  const each = clients.map(async (client) => [
    await ask(client, '/owa/', basic.alice),
    await ask(client, '/owa/'),
    await ask(client, '/owa/', basic.alice),
    await ask(client, '/EWS/Exchange.asmx', basic.alice),
    await ask(client, '/ews/exchange.asmx', basic.alice),
    await ask(client, '/none')
  ]);
  return [...new Set((await Promise.all(each)).map((statuses) => statuses.join(' ')))].join();
}

/** What `rounds` conversations of one client each have left behind. */
function checkConversations(t: Test, scrape: Scrape, rounds: number): void {
  const requests = (labels: Record<string, string>): number =>
    scrape.sum('ballast_requests_total', labels);
  t.equal(requests({ ...owa, code: '2xx' }), 2 * rounds);
  t.equal(requests({ ...owa, code: '4xx' }), rounds);
  t.equal(requests(owa), 3 * rounds, 'and no other status');
  t.equal(requests({ ...ews, code: '2xx' }), 2 * rounds);
  t.equal(requests(ews), 2 * rounds);
  t.equal(requests({ ...main, ...none, code: '4xx' }), rounds);
  t.equal(scrape.sum('ballast_errors_total', { ...main, reason: 'no-rule' }), rounds);
  t.equal(scrape.sum('ballast_request_duration_seconds_count', owa), 3 * rounds);
  t.equal(scrape.sum('ballast_request_first_byte_seconds_count', owa), 3 * rounds);
  t.equal(scrape.sum('ballast_request_duration_seconds_count', main), rounds);
  t.equal(scrape.sum('ballast_request_first_byte_seconds_count', main), 0, 'no server answered');
  const bytes = scrape.sum('ballast_real_server_received_bytes_total', owa);
  t.ok(bytes > 3 * rounds * 200 && bytes < 3 * rounds * 3000, `${bytes} bytes`);
}

function openClients(site: ExchangeSite, count: number): Promise<Peer[]> {
  return Promise.all(Array.from({ length: count }, () => site.client()));
}

for (const workers of [1, 4]) {
  t.test(`${workers} workers`, { buffered: true }, async (t) => {
    // A busy machine fails checks, and then it is not the known run any more.
    const site = await startSite(t, { workers, service: '    checkType: none\n' });
    const watch = new Watch(t, site.admin);
    const clients = 24;
    let conversations = 0;

    await t.test('a known run', async (t) => {
      const peers = await openClients(site, clients);
      t.equal(await converse(peers), '200 401 200 200 200 404');
      t.equal(await converse(peers), '200 401 200 200 200 404');
      conversations += 2 * clients;
      const http = await dialPlain(t, site.http);
      t.equal(await ask(http, '/owa/'), '302');
      const bad = await site.client();
      bad.send('GET /owa/ HTTP/1.1\r\n\r\n');
      t.match(await bad.until('\r\n'), / 400 /);
      const plain = await dialPlain(t, site.https);
      plain.send('GET / HTTP/1.1\r\n\r\n');
      await plain.ended();
      await watch.until('ballast_errors_total', { ...main, reason: 'malformed-request' }, 1);
      await watch.until('ballast_tls_handshake_failures_total', {}, 1);
      await watch.until('ballast_requests_total', redirector, 1);
      const all = 6 * conversations + 1;
      const scrape = await watch.until('ballast_requests_total', {}, all);
      checkConversations(t, scrape, conversations);
      t.equal(scrape.sum('ballast_requests_total'), all, 'what cannot be read is no request');
      t.equal(scrape.sum('ballast_requests_total', { ...redirector, ...none, code: '3xx' }), 1);
      const service = { virtual_service: 'Mail' };
      t.equal(scrape.sum('ballast_client_connections_total', service), clients + 2);
      t.equal(scrape.sum('ballast_tls_handshakes_total', service), clients + 1);
      t.equal(scrape.sum('ballast_tls_handshake_failures_total', service), 1);
      t.equal(scrape.sum('ballast_workers', { state: 'serving' }), workers);
      t.equal(scrape.find('ballast_worker_event_loop_delay_max_seconds').length, workers);
      t.ok(scrape.sum('ballast_worker_resident_memory_bytes') > workers * 20e6);
      const opened = scrape.sum('ballast_real_server_connections_total', owa);
      t.equal(opened, clients, 'one for each client');
      t.equal(scrape.sum('ballast_real_server_connections_open', owa), clients);
      t.equal(scrape.sum('ballast_real_server_up', { real_server: 'EX01' }), 9);
      t.equal(scrape.sum('ballast_service_up', { virtual_service: 'Mail' }), 10);
      for (const peer of [...peers, bad]) peer.socket.destroy();
      await zero(watch, 'ballast_client_connections_open', service);
      await zero(watch, 'ballast_real_server_connections_open', owa);
    });

    await t.test('kill -9', async (t) => {
      const peers = await openClients(site, clients);
      await converse(peers);
      conversations += clients;
      await watch.until('ballast_requests_total', {}, 6 * conversations + 1);
      const pids = (await site.status()).workers.map(({ pid }) => pid);
      process.kill(pids[0] ?? 0, 'SIGKILL');
      await site.ballast.waitFor(
        ({ msg, worker }) => msg === 'worker serves' && !pids.includes(Number(worker))
      );
      const restarted = await watch.until('ballast_worker_restarts_total', {}, 1);
      t.equal(restarted.sum('ballast_worker_restarts_total'), 1);
      const others = await openClients(site, clients);
      t.equal(await converse(others), '200 401 200 200 200 404');
      conversations += clients;
      const scrape = await watch.until('ballast_requests_total', {}, 6 * conversations + 1);
      checkConversations(t, scrape, conversations);
      for (const peer of [...peers, ...others]) peer.socket.destroy();
      await zero(watch, 'ballast_client_connections_open', { virtual_service: 'Mail' });
    });

    await t.test('reloads, and workers that end', async (t) => {
      const peers = await openClients(site, clients);
      await converse(peers);
      conversations += clients;
      for (const peer of peers) peer.socket.end();
      // What was counted since the last report is told when a worker drains.
      const fewer = site.yaml.replace(`workers: ${workers}`, 'workers: 1');
      t.equal((await site.ballast.reload(fewer)).msg, 'reloaded');
      t.equal((await site.ballast.reload('virtualServices: 1')).msg, 'reload refused');
      const scrape = await watch.until('ballast_requests_total', {}, 6 * conversations + 1);
      checkConversations(t, scrape, conversations);
      t.equal(scrape.sum('ballast_config_revision'), 2);
      t.equal(scrape.sum('ballast_config_reloads_total', { result: 'applied' }), 1);
      const refused = await watch.until('ballast_config_reloads_total', { result: 'refused' }, 1);
      t.equal(refused.sum('ballast_config_last_reload_successful'), 0);
      t.equal(refused.sum('ballast_worker_restarts_total'), 1, 'no more deaths');
      const [handshakes] = refused.find('ballast_tls_handshakes_total');
      t.strictSame(handshakes?.labels, { virtual_service: 'Mail' });
    });
    await watch.stop();
  });
}

async function zero(watch: Watch, name: string, labels: Record<string, string>): Promise<void> {
  while ((await watch.scrape()).sum(name, labels) > 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
