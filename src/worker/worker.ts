// A worker: the process that carries traffic. It obeys the primary: takes a plan, listens, serves,
// reports. It reads no file and decides nothing about health.

import process from 'node:process';
import { tick } from '../net/clock.ts';
import { createLog, flushLog } from '../log.ts';
import type { Staple, ToPrimary, ToWorker } from '../messages.ts';
import { buildPlan, type Plan } from '../service/build.ts';
import type { RealServer } from '../service/real-server.ts';
import type { ServiceCounters } from '../service/service-counters.ts';
import { Traffic } from '../traffic/traffic.ts';
import { WorkerBindings } from './bindings.ts';
import { ClientLimits } from './client-limits.ts';
import { CountersReport, LoadReport } from './reports.ts';
import { Drains } from './drains.ts';
import { Listener } from './listeners.ts';
import { dropPrivileges } from './privileges.ts';
import { WorkerPasses } from './passes.ts';
import { Refusals } from './refusals.ts';

/** How often deadlines of sessions are looked at; they are seconds and minutes long. */
const sweepIntervalMs = 500;
const loadIntervalMs = 25;
const countersIntervalMs = 1000;

const workerNumber = Number(process.env['BALLAST_WORKER'] ?? process.pid);
const log = createLog('info', 'worker');
const bindings = new WorkerBindings(tell, (id) => plan?.realServers.get(id));
const suspect = (server: RealServer, reason: string): void =>
  tell({ type: 'suspect', id: server.id, reason });
const passes = new WorkerPasses(tell);
const traffic = new Traffic(log, idPrefix(), suspect, bindings, passes);
const listeners = new Map<string, Listener>();
/** OCSP responses that the primary fetched, by certificate. */
const staples = new Map<string, Buffer>();
const loadReport = new LoadReport();
const clientLimits = new ClientLimits();
const refusals = new Refusals(log);
const drains = new Drains();
const countersReport = new CountersReport(traffic);
let plan: Plan | undefined;
let applying: Promise<void> = Promise.resolve();

process.on('message', (message: ToWorker) => receive(message));
// The primary is gone: nobody checks servers any more, and nobody would restart us.
// Before cluster's own listener, whose `exit` waits for the reader of the log, who may be gone too.
process.prependListener('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// A terminal's Ctrl-C reaches the whole group; the primary says what is to be done.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
setInterval(() => traffic.sweep(tick()), sweepIntervalMs);
setInterval(reportLoad, loadIntervalMs);
setInterval(reportCounters, countersIntervalMs);
setInterval(() => bindings.report(), countersIntervalMs);
setInterval(() => passes.report(), countersIntervalMs);
tell({ type: 'hello' });

function receive(message: ToWorker): void {
  switch (message.type) {
    case 'plan':
      // One after the other: listening takes its time.
      applying = applying.then(() => applyPlan(message)).catch(fatal);
      return;
    case 'health':
      applyHealth(message);
      return;
    case 'load':
      for (const server of plan?.realServers.values() ?? []) server.activeElsewhere = 0;
      for (const [id, active] of message.elsewhere) {
        const server = plan?.realServers.get(id);
        if (server !== undefined) server.activeElsewhere = active;
      }
      return;
    case 'clients':
      clientLimits.receive(message.elsewhere);
      return;
    case 'bound':
      bindings.receive(message);
      return;
    case 'unbound':
      bindings.forget(message.keys);
      return;
    case 'logon-answer':
      passes.answered(message);
      return;
    case 'pass':
      passes.found(message);
      return;
    case 'logged-off':
      passes.loggedOff(message);
      return;
    case 'passes-ended':
      passes.ended(message.keys);
      endPasses(new Set(message.keys));
      return;
    case 'staple':
      applyStaple(message.staple);
      return;
    case 'drain':
      void drain().catch(fatal);
      return;
  }
}

/** Builds the new plan, opens what is new, swaps, and only then closes what is gone. */
async function applyPlan(message: Extract<ToWorker, { type: 'plan' }>): Promise<void> {
  const { configuration, revision, health } = message;
  dropPrivileges(configuration.global.user, log);
  const known = plan?.realServers ?? new Map<string, RealServer>();
  const counters = plan?.counters ?? new Map<string, ServiceCounters>();
  const next = buildPlan({
    revision,
    configuration,
    health,
    known,
    counters,
    switched: message.switched,
    turn: workerNumber - 1,
    secret: message.ticketKeys,
    clock: Date.now
  });
  const ticketKeys = Buffer.from(message.ticketKeys, 'base64');
  passes.takeKey(message.gateKey);
  for (const staple of message.staples) applyStaple(staple);
  const places = next.virtualServices.flatMap((virtualService) =>
    virtualService.listenPoints.map((point) => ({ virtualService, ...point }))
  );
  const wanted = new Set(places.map(({ key }) => key));
  log.level = configuration.global.logLevel;
  traffic.accessLog = configuration.global.accessLog;
  const fresh = new Map<string, Listener>();
  for (const { virtualService, key, address, port } of places) {
    if (listeners.has(key)) continue;
    const listener = new Listener({ traffic, staples, clientLimits, refusals });
    listener.serve(virtualService, next.certificates, ticketKeys);
    try {
      await listener.listen(address, port);
    } catch (error) {
      for (const opened of fresh.values()) opened.close();
      const reason = error instanceof Error ? error.message : String(error);
      tell({ type: 'cannot-listen', revision, reason: `cannot listen on ${key}: ${reason}` });
      return;
    }
    fresh.set(key, listener);
  }
  for (const { virtualService, key } of places) {
    listeners.get(key)?.serve(virtualService, next.certificates, ticketKeys);
  }
  for (const [key, listener] of fresh) listeners.set(key, listener);
  plan = next;
  countersReport.takePlan(plan);
  bindings.forgetAll();
  passes.forgetAll();
  for (const [key, listener] of listeners) {
    if (wanted.has(key)) continue;
    listener.close();
    listeners.delete(key);
  }
  // Idle sessions of a service that is gone have nothing to wait for.
  for (const session of traffic.sessions) session.endIfGone();
  drains.apply(new Set([...known.values(), ...next.realServers.values()]));
  tell({ type: 'applied', revision });
}

function applyHealth({ id, health }: Extract<ToWorker, { type: 'health' }>): void {
  const server = plan?.realServers.get(id);
  if (server === undefined) return;
  server.health = health;
  server.suspected = false;
  if (health.state === 'down') bindings.forgetServer(server);
  if (health.state === 'down' && plan?.global.dropOnFail === true) server.cutConnections();
}

function endPasses(keys: ReadonlySet<string>): void {
  for (const session of traffic.sessions) session.passesEnded(keys);
}

function applyStaple({ fingerprint, response }: Staple): void {
  if (response === undefined) staples.delete(fingerprint);
  else staples.set(fingerprint, Buffer.from(response, 'base64'));
}

/** Ends when the last session has; the primary bounds the time. */
async function drain(): Promise<void> {
  traffic.draining = true;
  for (const listener of listeners.values()) listener.close();
  listeners.clear();
  for (const session of traffic.sessions) session.drain();
  const deadlineMs = performance.now() + (plan?.global.drainTimeMs ?? 0);
  while (traffic.sessions.size > 0 && performance.now() < deadlineMs) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const session of traffic.sessions) session.destroy();
  await new Promise((resolve) => setTimeout(resolve, 0)); // their exchanges end, and say so
  reportCounters();
  bindings.report();
  await flushLog(log);
  process.exit(0);
}

function reportLoad(): void {
  const changed = loadReport.changes(plan?.realServers.values() ?? []);
  if (changed.length > 0) tell({ type: 'load', active: changed });
  const open = clientLimits.changes();
  if (open.length > 0) tell({ type: 'clients', open });
}

function reportCounters(): void {
  tell({ type: 'counters', report: countersReport.take() });
}

function tell(message: ToPrimary): void {
  if (process.connected) process.send?.(message);
}

/** A plan that cannot be built is our bug: the primary starts another worker. */
function fatal(error: unknown): void {
  log.fatal({ err: error }, 'worker cannot go on');
  void flushLog(log).then(() => process.exit(1));
}

function idPrefix(): string {
  return `${Math.floor(Date.now() / 1000).toString(36)}-${process.pid.toString(36)}`;
}
