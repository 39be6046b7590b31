// Who may in, with a scripted directory, and somebody who asks as workers do.

import type { Test } from 'tap';
import type { Configuration, EspSettings, SsoDomain } from '../../src/config/model.ts';
import type { Directory, GroupList, LogonResult } from '../../src/directory/directory.ts';
import { gateKeys } from '../../src/gate/keys.ts';
import type { LogonAnswer, LogonAsk, Pass } from '../../src/gate/pass.ts';
import { seal } from '../../src/gate/seal.ts';
import type { Logger } from '../../src/log.ts';
import type { ToWorker } from '../../src/messages.ts';
import { Logons, type LogonsOptions } from '../../src/primary/logons.ts';
import { espSettings } from '../fixture/esp.ts';
import { configurationOf, realServer, ssoDomain, subVS, virtualService } from './configuration.ts';

export const minute = 60_000;

/**
 * Everybody's password is `right`, but for those whom nobody knows and those with a state. Everybody is
 * in the group that has his name, and nobody can say who is in `mistyped`.
 */
export class ScriptedDirectory {
  readonly asked: { readonly user: string; readonly lists: readonly GroupList[] }[] = [];
  readonly settings: SsoDomain;
  isStopped = false;
  /** While it is set nobody is answered. */
  gate: Promise<void> | undefined;
  /** What a look at the groups takes. */
  groupsMs = 0;
  health = { state: 'up', servers: [] };

  constructor(settings: SsoDomain) {
    this.settings = settings;
  }

  canonicalName(user: string): string | undefined {
    if (user === '' || user.includes('\0')) return undefined;
    const folded = user.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
    const [account, domain] = folded.split('@');
    return domain === undefined || domain === this.settings.realm ? account : undefined;
  }

  whyNoName(): string {
    return 'no name';
  }

  serverName(user: string): string {
    return `CORP\\${user}`;
  }

  async logon(user: string, password: string, lists: readonly GroupList[]): Promise<LogonResult> {
    this.asked.push({ user, lists });
    await this.gate;
    const server = 'dc1:389';
    const name = this.canonicalName(user) ?? '';
    if (name === 'nowhere' || name === 'busy') {
      const cause = name === 'busy' ? 'busy' : 'failed';
      return { outcome: 'unavailable', cause, reason: `test ${cause}`, server: undefined };
    }
    if (name === 'broken') throw new Error('test');
    const isRight = password === 'right' && !name.startsWith('nobody');
    if (!isRight) return { outcome: 'denied', cause: 'refused', reason: 'wrong', server };
    if (name === 'old') return { outcome: 'expired', mustChange: true, reason: 'test', server };
    if (this.groupsMs > 0) await new Promise((resolve) => setTimeout(resolve, this.groupsMs));
    const isMistyped = ({ names }: GroupList): boolean => names.includes('mistyped');
    return {
      outcome: 'welcome',
      principal: `${user.split('@')[0]}@${this.settings.realm}`,
      memberOf: lists.map(
        (list) => list.names.includes(`of ${name}`) || (isMistyped(list) ? undefined : false)
      ),
      groupTrouble: lists.some(isMistyped) ? 'no one group of this name: "mistyped"' : '',
      server
    };
  }

  stop(): void {
    this.isStopped = true;
  }
}

export interface Scene {
  readonly logons: Logons;
  readonly directories: readonly ScriptedDirectory[];
  readonly directory: ScriptedDirectory;
  /** Keys of sessions that workers were told are over. */
  readonly ended: string[];
  readonly lines: { readonly msg: string; readonly [field: string]: unknown }[];
  nowMs: number;
  /** Asks as a worker does; each time under another key unless one is given. */
  ask(user: string, password?: string, change?: Partial<LogonAsk>): Promise<LogonAnswer>;
  find(key: string, service: string): Pass | undefined;
}

export function site(
  esp: Readonly<Record<string, Partial<EspSettings>>>,
  ssoDomains: readonly SsoDomain[] = [ssoDomain()]
): Configuration {
  const subVSs = Object.entries(esp).map(([name, settings]) => {
    const leadsSomewhere = name !== 'Proxy';
    const server = realServer(`Mail/${name}/ex1`, { address: '192.0.2.9', port: 443 });
    return subVS({ name, esp: espSettings(settings), realServers: leadsSomewhere ? [server] : [] });
  });
  return { ...configurationOf([virtualService({ name: 'Mail', subVSs })]), ssoDomains };
}

export function openScene(
  t: Test,
  configuration: Configuration,
  options: Partial<LogonsOptions> = {}
): Scene {
  const directories: ScriptedDirectory[] = [];
  const ended: string[] = [];
  const lines: { msg: string }[] = [];
  const note = (line: object, msg: string): unknown => lines.push({ ...line, msg });
  let asked = 0;
  const logons = new Logons({
    log: { info: note, warn: note, error: note } as unknown as Logger,
    openDirectory(domain) {
      const directory = new ScriptedDirectory(domain);
      directories.push(directory);
      return directory as unknown as Directory;
    },
    onEnded: (keys) => ended.push(...keys),
    refusalTimeMs: 0,
    now: () => scene.nowMs,
    ...options
  });
  const keys = gateKeys(logons.gateKey);
  const scene: Scene = {
    logons,
    directories,
    get directory() {
      return directories.at(-1) ?? new ScriptedDirectory(ssoDomain());
    },
    ended,
    lines,
    nowMs: 1_000_000,
    ask: (user, password = 'right', change = {}) =>
      logons.logon({
        service: 'Mail/OWA',
        domain: 'EXAMPLE.COM',
        how: 'form',
        user,
        sealedPassword: seal(keys, 'password', password),
        key: `key ${++asked}`,
        isPrivate: false,
        client: '192.0.2.1',
        ...change
      }),
    find(key, service) {
      let found: Pass | undefined;
      logons.receive({ type: 'find-pass', n: 1, key, service }, (answer: ToWorker) => {
        if (answer.type === 'pass') found = answer.pass;
      });
      return found;
    }
  };
  logons.reconcile(configuration);
  t.teardown(() => logons.stop());
  return scene;
}

export const twoServices = { OWA: {}, ECP: {} };
