// The worker processes: started, told the plan, replaced when they die, and drained. The kernel
// spreads the connections (SCHED_NONE): handing over every socket costs more than a request.

import cluster, { type Worker } from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { getCompileCacheDir } from 'node:module';
import type { Configuration, Health } from '../config/model.ts';
import type { Logger } from '../log.ts';
import type { BindAsk, Staple, ToPrimary, ToWorker, Use } from '../messages.ts';
import { WorkerCounts, type WorkerState } from './worker-counts.ts';
import { PersistenceTable } from './persistence-table.ts';
import { Silence } from './silence.ts';
import { WorkerLoads } from './worker-loads.ts';
import { ClientCounts } from './client-counts.ts';
import type { GateMessage, Logons } from './logons.ts';
import { listServices } from './service-list.ts';
import { switchedBy, type Switched } from './switched.ts';

const loadIntervalMs = 25;
/** A worker that dies younger than this did not die of its work. */
const infancyMs = 1000;
/** Past the drain time a worker had its chance to end by itself. */
const killAfterDrainMs = 2000;

export interface WorkersOptions {
  /** Path of the program the workers run. */
  readonly program: string;
  readonly log: Logger;
  readonly health: () => readonly (readonly [id: string, health: Health])[];
  readonly onSuspect: (id: string) => void;
  /** Who signs in, and who has. */
  readonly logons: Logons;
  /** How often it is looked who is silent; 1000 unless said otherwise. */
  readonly beatMs?: number;
}

interface Member {
  readonly worker: Worker;
  /** From 1 on; one that is born takes the lowest that is free. */
  readonly slot: number;
  readonly startedAtMs: number;
  /** How many in its place died young in a row before it. */
  readonly earlyDeaths: number;
  stage: 'starting' | 'serving' | 'draining';
  appliedRevision: number;
}

export interface WorkerView {
  readonly pid: number | undefined;
  readonly slot: number;
  readonly startedAtMs: number;
  readonly stage: Member['stage'];
  /** Undefined while it has not reported. */
  readonly state: WorkerState | undefined;
}

/** How the workers took a plan. */
export type Applied = 'applied' | { readonly cannotListen: string };

interface Waiter {
  readonly revision: number;
  readonly settle: (applied: Applied) => void;
}

export class Workers {
  readonly counts = new WorkerCounts();
  readonly persistence = new PersistenceTable();
  readonly #options: WorkersOptions;
  /** Made once and shared by all, so that a session ticket works with each of them; never logged. */
  readonly #ticketKeys = randomBytes(48).toString('base64');
  readonly #staples = new Map<string, Staple>();
  readonly #members = new Map<number, Member>();
  readonly #loads = new WorkerLoads();
  readonly #clients = new ClientCounts();
  readonly #respawns = new Set<NodeJS.Timeout>();
  readonly #silence = new Silence<number>();
  readonly #beats: NodeJS.Timeout;
  #waiters: Waiter[] = [];
  #loadTimer: NodeJS.Timeout | undefined;
  #plan: { readonly configuration: Configuration; readonly revision: number } | undefined;
  /** Numbers the workers, so that their round robins begin at different servers. */
  #spawned = 0;
  #switched: Switched = new Map();
  #ending = false;
  #deaths = 0;
  #gone = Promise.withResolvers<void>();

  constructor(options: WorkersOptions) {
    this.#options = options;
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    const execArgv = [...process.execArgv, '--expose-gc']; // for net/read-memory.ts
    cluster.setupPrimary({ exec: options.program, args: [], execArgv });
    this.#beats = setInterval(() => this.#replaceSilent(), options.beatMs ?? 1000);
  }

  /** Settles when every worker serves this plan, or one of them cannot listen. */
  apply(configuration: Configuration, revision: number): Promise<Applied> {
    if (this.#ending) return Promise.resolve('applied');
    if (this.#plan !== undefined) {
      const before = this.#plan.configuration;
      this.#switched = switchedBy(before, configuration, this.#switched, Date.now());
    }
    this.#plan = { configuration, revision };
    this.persistence.reconcile(configuration, this.#options.health(), performance.now());
    for (const member of this.#active()) if (member.stage === 'serving') this.#sendPlan(member);
    const services = listServices(configuration);
    const serverIds = new Set(services.flatMap(({ servers }) => servers.map(({ id }) => id)));
    this.#loads.keepOnly(serverIds);
    this.counts.keepOnly(new Set(services.map(({ fullName }) => fullName)), serverIds);
    this.#resize(configuration.global.workers);
    return new Promise((settle) => {
      this.#waiters.push({ revision, settle });
      this.#settleWaiters();
    });
  }

  tellHealth(id: string, health: Health): void {
    this.persistence.noteHealth(id, health);
    for (const member of this.#members.values()) {
      if (member.stage !== 'starting') send(member, { type: 'health', id, health });
    }
  }

  /** Also for the workers that start later. */
  tellStaple(staple: Staple): void {
    if (staple.response === undefined) this.#staples.delete(staple.fingerprint);
    else this.#staples.set(staple.fingerprint, staple);
    for (const member of this.#members.values()) {
      if (member.stage !== 'starting') send(member, { type: 'staple', staple });
    }
  }

  /** These sessions are over. */
  tellEnded(keys: readonly string[]): void {
    for (const member of this.#members.values()) {
      if (member.stage !== 'starting') send(member, { type: 'passes-ended', keys });
    }
  }

  /** Ends all workers when their work is done; settles when the last of them is gone. */
  drain(): Promise<void> {
    this.#end();
    for (const member of this.#active()) this.#drainOne(member);
    return this.#gone.promise;
  }

  /** Ends all workers now; settles when the last of them is gone. */
  kill(): Promise<void> {
    this.#end();
    for (const { worker } of this.#members.values()) worker.process.kill('SIGKILL');
    return this.#gone.promise;
  }

  /** Open connections to this real server. */
  active(id: string): number {
    return this.#loads.active(id);
  }

  /** How many died without having been told to end. */
  get deaths(): number {
    return this.#deaths;
  }

  list(): WorkerView[] {
    return [...this.#members.values()].map(({ worker, slot, startedAtMs, stage }) => ({
      pid: worker.process.pid,
      slot,
      startedAtMs,
      stage,
      state: this.counts.state(worker.id)
    }));
  }

  #active(): Member[] {
    return [...this.#members.values()].filter((member) => member.stage !== 'draining');
  }

  /** Starts what is missing and drains what is too much, the youngest first. */
  #resize(wanted: number): void {
    const active = this.#active();
    for (const surplus of active.slice(wanted)) this.#drainOne(surplus);
    for (let n = active.length + this.#respawns.size; n < wanted; n++) this.#spawn(0);
  }

  #spawn(earlyDeaths: number): void {
    const cache = getCompileCacheDir();
    const worker = cluster.fork({
      BALLAST_WORKER: ++this.#spawned,
      ...(cache === undefined ? {} : { NODE_COMPILE_CACHE: cache })
    });
    const startedAtMs = Date.now();
    const stage = 'starting';
    const slot = freeSlot([...this.#members.values()].map((member) => member.slot));
    const member: Member = { worker, slot, startedAtMs, earlyDeaths, stage, appliedRevision: 0 };
    this.#members.set(worker.id, member);
    this.#silence.heard(worker.id);
    worker.on('message', (message: ToPrimary) => this.#receive(member, message));
    worker.on('error', (error) => this.#options.log.error({ err: error }, 'worker process error'));
    worker.on('exit', (code: number | null, signal: string | null) =>
      this.#bury(member, signal ?? `exit code ${code}`)
    );
  }

  #receive(member: Member, message: ToPrimary): void {
    const { id } = member.worker;
    // The last words of one that died may come behind its end.
    if (this.#members.has(id)) this.#silence.heard(id);
    switch (message.type) {
      case 'hello':
        if (member.stage !== 'starting') return;
        member.stage = 'serving';
        this.#loads.join(id);
        this.#clients.join(id);
        this.counts.join(id);
        this.#sendPlan(member);
        return this.#tellLoadsSoon();
      case 'applied':
        if (member.appliedRevision === 0) {
          this.#options.log.info({ worker: member.worker.process.pid }, 'worker serves');
        }
        member.appliedRevision = Math.max(member.appliedRevision, message.revision);
        return this.#settleWaiters();
      case 'cannot-listen':
        return this.#refuse(message.revision, message.reason);
      case 'load':
        this.#loads.report(id, message.active);
        return this.#tellLoadsSoon();
      case 'clients':
        this.#clients.report(id, message.open);
        return this.#tellLoadsSoon();
      case 'suspect':
        return this.#options.onSuspect(message.id);
      case 'bind':
        return this.#bind(member, message.asks);
      case 'learned':
        return this.persistence.learn(message.use, performance.now());
      case 'uses':
        return this.#noteUses(member, message.uses, message.late);
      case 'counters':
        return this.counts.report(id, message.report);
      case 'logon':
      case 'find-pass':
      case 'pass-uses':
      case 'logoff':
        return this.#atTheGate(member, message);
    }
  }

  #atTheGate(member: Member, message: GateMessage): void {
    this.#options.logons.receive(message, (answer) => send(member, answer));
  }

  #bind(member: Member, asks: readonly BindAsk[]): void {
    const nowMs = performance.now();
    const bound = asks.map((ask) => [ask.n, this.persistence.bind(ask, nowMs)] as const);
    send(member, { type: 'bound', bound });
  }

  #noteUses(member: Member, uses: readonly Use[], late: number): void {
    const keys = this.persistence.use(uses, late, performance.now());
    if (keys.length > 0) send(member, { type: 'unbound', keys });
  }

  /** One that hangs would keep its clients for ever. What dies is replaced. */
  #replaceSilent(): void {
    for (const id of this.#silence.beat()) {
      const process = this.#members.get(id)?.worker.process;
      this.#options.log.error({ worker: process?.pid }, 'worker silent');
      process?.kill('SIGKILL');
    }
  }

  #bury(member: Member, how: string): void {
    const { worker, stage, startedAtMs } = member;
    this.#members.delete(worker.id);
    this.#silence.forget(worker.id);
    this.#loads.leave(worker.id);
    this.#clients.leave(worker.id);
    this.counts.leave(worker.id);
    this.#tellLoadsSoon();
    if (this.#ending) {
      if (this.#members.size === 0) this.#gone.resolve();
      return;
    }
    this.#settleWaiters();
    if (stage === 'draining') return;
    this.#deaths++;
    const earlyDeaths = Date.now() - startedAtMs < infancyMs ? member.earlyDeaths + 1 : 0;
    const delayMs = respawnDelayMs(earlyDeaths);
    this.#options.log.error({ worker: worker.process.pid, how, delayMs }, 'worker died');
    if (delayMs === 0) return this.#spawn(earlyDeaths);
    const timer = setTimeout(() => {
      this.#respawns.delete(timer);
      if (this.#active().length < (this.#plan?.configuration.global.workers ?? 0)) {
        this.#spawn(earlyDeaths);
      }
    }, delayMs);
    this.#respawns.add(timer);
  }

  #sendPlan(member: Member): void {
    if (this.#plan === undefined) return;
    const { configuration, revision } = this.#plan;
    const health = this.#options.health();
    const ticketKeys = this.#ticketKeys;
    const staples = [...this.#staples.values()];
    const switched = [...this.#switched];
    const { gateKey } = this.#options.logons;
    const keys = { ticketKeys, gateKey };
    const open = workersOnly(configuration);
    send(member, {
      type: 'plan',
      revision,
      configuration: open,
      health,
      switched,
      ...keys,
      staples
    });
  }

  #drainOne(member: Member): void {
    member.stage = 'draining';
    send(member, { type: 'drain' });
    const drainTimeMs = this.#plan?.configuration.global.drainTimeMs ?? 0;
    const { worker } = member;
    const timer = setTimeout(() => worker.process.kill('SIGKILL'), drainTimeMs + killAfterDrainMs);
    worker.once('exit', () => clearTimeout(timer));
  }

  #end(): void {
    this.#ending = true;
    clearInterval(this.#beats);
    clearTimeout(this.#loadTimer);
    for (const timer of this.#respawns) clearTimeout(timer);
    if (this.#members.size === 0) this.#gone.resolve();
  }

  #settleWaiters(): void {
    const wanted = this.#plan?.configuration.global.workers ?? 0;
    const active = this.#active();
    const done = active.length < wanted ? -1 : Math.min(...active.map((m) => m.appliedRevision));
    const [settled, waiting] = split(this.#waiters, ({ revision }) => revision <= done);
    this.#waiters = waiting;
    for (const { settle } of settled) settle('applied');
  }

  #refuse(refused: number, reason: string): void {
    const [settled, waiting] = split(this.#waiters, ({ revision }) => revision === refused);
    this.#waiters = waiting;
    if (settled.length === 0) this.#options.log.error({ reason }, 'worker cannot listen');
    for (const { settle } of settled) settle({ cannotListen: reason });
  }

  /** Coalesced: a message costs some 20 us at both ends, more than most requests. */
  #tellLoadsSoon(): void {
    if (this.#ending) return;
    this.#loadTimer ??= setTimeout(() => {
      this.#loadTimer = undefined;
      for (const [id, elsewhere] of this.#loads.takeStale()) {
        const member = this.#members.get(id);
        if (member !== undefined) send(member, { type: 'load', elsewhere });
      }
      for (const [id, elsewhere] of this.#clients.takeStale()) {
        const member = this.#members.get(id);
        if (member !== undefined) send(member, { type: 'clients', elsewhere });
      }
    }, loadIntervalMs);
  }
}

/** None at first: a crash by one bad request must not cost time. Then doubling, to 5 s. */
export function respawnDelayMs(earlyDeaths: number): number {
  return earlyDeaths < 3 ? 0 : Math.min(100 * 2 ** (earlyDeaths - 3), 5000);
}

/** Workers ask no directory: passwords of test users are not theirs. */
function workersOnly(configuration: Configuration): Configuration {
  const ssoDomains = configuration.ssoDomains.map((one) => ({ ...one, testUser: undefined }));
  return { ...configuration, ssoDomains };
}

function freeSlot(taken: readonly number[]): number {
  let slot = 1;
  while (taken.includes(slot)) slot++;
  return slot;
}

function send({ worker }: Member, message: ToWorker): void {
  // A worker that just died is reported by its exit; the lost message does not matter.
  if (worker.isConnected()) worker.send(message, () => {});
}

function split<T>(all: readonly T[], test: (item: T) => boolean): [yes: T[], no: T[]] {
  return [all.filter(test), all.filter((item) => !test(item))];
}
